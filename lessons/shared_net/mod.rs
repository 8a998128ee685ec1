//! Shared namespaces: two containers, one localhost.

mod steps;

use nix::errno::Errno;

use crate::actors::Actor;
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::observe::ProcessRow;
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, NamespaceType};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "shared-net",
    title: "Shared namespaces",
    subtitle: "two containers, one localhost",
    question: "A page that is served in one container: how does another one get it from localhost?",
    man: &["setns(2)", "namespaces(7)", "pidfd_open(2)", "nsenter(1)"],
    steps: &[&steps::WEB_SERVER, &steps::NEXT_DOOR, &steps::JOINS, &steps::ONE_OR_TWO, &steps::LOOKS_IN],
    play,
};

const PAGE: &str = "\
<!DOCTYPE html>
<title>Welcome</title>
<h1>Welcome to the web container</h1>
";

fn play(stage: &Stage) -> Result<()> {
    stage.step(&steps::WEB_SERVER)?;
    stage.say(
        "The container web gets namespaces of its own for processes, mounts, names and network. Its first process, the \
         master, opens port 80 and forks a worker, which answers the requests: the way nginx does it.",
    );
    let master = container(stage, "runtime", "master")?;
    master.link_up("lo")?;
    let port = master.listen(80)?;
    let worker = master.fork("worker")?;
    worker.begin_http_server(port, PAGE)?;
    stage.or_skip(&[], || stage.ss_tln(&master))?;
    stage.say("Inside, the page is there:");
    let page = stage.curl(&master)?;

    let client = a_client_next_door(stage)?;
    it_joins_the_network(stage, &master, &client, &page)?;
    in_one_container_or_in_two(stage, &master, &client)?;
    a_helper_looks_in(stage, &master)
}

/// A client in a container of its own, whose localhost is another one.
fn a_client_next_door(stage: &Stage) -> Result<Actor> {
    stage.step(&steps::NEXT_DOOR)?;
    stage.ask()?;
    stage.say(
        "A second container is made in the same way. It too has a localhost, which is up. But it is another one: \
         nobody listens there, however close the server is.",
    );
    let client = container(stage, "runtime2", "client")?;
    client.link_up("lo")?;
    let refused = stage.curl(&client).refusal()?;
    stage.verify(
        &steps::REFUSED,
        refused == Some(Errno::ECONNREFUSED),
        evidence!["connect(127.0.0.1:80):", refused],
    )?;
    stage.answer(refused)?;
    Ok(client)
}

/// The client moves into the server's network namespace, and gets the page that the server got.
fn it_joins_the_network(stage: &Stage, master: &Actor, client: &Actor, page: &[String]) -> Result<()> {
    stage.step(&steps::JOINS)?;
    stage.say(
        "setns(2) moves a process into a namespace that exists. Any process in there shows the way; a pidfd stands for \
         one. After that the client's localhost is the server's, and the same request gets the page.",
    );
    let before = stage.namespace_of(client, NamespaceType::Net)?;
    client.join(master, CLONE_NEWNET)?;
    let after = stage.namespace_of(client, NamespaceType::Net)?;
    let got = stage.curl(client)?;
    stage.verify(
        &steps::JOINED,
        before != after && got == page && got.iter().any(|line| line.contains("Welcome to the web container")),
        evidence!["from", before, "to", after],
    )
}

/// What the client shares with the server now, and what it does not.
fn in_one_container_or_in_two(stage: &Stage, master: &Actor, client: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::ONE_OR_TWO)?;
    stage.ask()?;
    stage.say(
        "A container is not one thing: it is a set of namespaces, and each can be shared by itself. Here is who is in \
         which now. Each container has five namespaces of its own making; for one of the five types, the client is in \
         the server's.",
    );
    stage.who_is_where(&[host, master, client])?;
    let (of_server, of_client) = (stage.membership(master)?.namespaces, stage.membership(client)?.namespaces);
    let own = |kind: NamespaceType| of_client.iter().any(|id| id.kind == kind && !of_server.contains(id));
    let alone = stage.ps(client)?;
    stage.verify(
        &steps::ONLY_NET,
        own(NamespaceType::Pid)
            && own(NamespaceType::Mnt)
            && own(NamespaceType::Uts)
            && !own(NamespaceType::Net)
            && alone.len() == 1,
        evidence![
            "its own:",
            NamespaceType::ALL
                .into_iter()
                .filter(|kind| own(*kind))
                .map(NamespaceType::name)
                .collect::<Vec<_>>()
                .join(", "),
            "· processes that it lists:",
            alone.len()
        ],
    )?;
    stage.answer(commands(&alone).join(", "))?;
    stage.say(
        "To share a network is to share its ports: the one that the server holds is taken for the client as well.",
    );
    let taken = client.listen(80).refusal()?;
    stage.verify(&steps::PORT_TAKEN, taken == Some(Errno::EADDRINUSE), evidence!["bind(0.0.0.0:80):", taken])?;
    stage.say("This is how the containers of one Kubernetes pod reach each other on localhost.");
    Ok(())
}

/// A helper from outside shares the server's PID namespace.
fn a_helper_looks_in(stage: &Stage, master: &Actor) -> Result<()> {
    stage.step(&steps::LOOKS_IN)?;
    stage.ask()?;
    stage.say(
        "Network is one choice of eight. A debugger wants the processes: so a helper joins web's PID namespace (its \
         child does, as always with PIDs), and mounts a proc of its own to see by.",
    );
    let joiner = stage.host().start("joiner")?;
    joiner.join(master, CLONE_NEWPID)?;
    joiner.unshare(CLONE_NEWNS)?;
    let helper = joiner.fork("helper")?;
    joiner.leave()?;
    helper.mount_private()?;
    helper.mount_proc("/proc")?;
    let seen = stage.ps(&helper)?;
    stage.verify(
        &steps::SHARED_PIDS,
        commands(&seen) == ["master", "worker", "helper"] && seen[0].pid == 1,
        evidence!["it lists", commands(&seen).join(", ")],
    )?;
    let masters_view = master.processes()?;
    stage.verify(
        &steps::BOTH_WAYS,
        masters_view == seen,
        evidence!["the master lists", commands(&masters_view).join(", ")],
    )?;
    let known_as = masters_view.iter().find(|process| process.command == "helper").map(|process| process.pid);
    stage.answer(match known_as {
        None => "no helper",
        Some(number) if number == helper.pid() => "the host's number",
        Some(_) => "another number",
    })?;
    stage.say(
        "Nothing was installed in the container: the helper brought its own program. That is what nsenter(1) is for.",
    );
    Ok(())
}

/// A container as an engine makes it: a runtime moves into new namespaces, forks the first process there, and is done.
fn container(stage: &Stage, runtime: &str, name: &str) -> Result<Actor> {
    let runtime = stage.host().start(runtime)?;
    runtime.unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)?;
    let first = runtime.fork(name)?;
    runtime.leave()?;
    first.mount_private()?;
    first.mount_proc("/proc")?;
    Ok(first)
}

fn commands(processes: &[ProcessRow]) -> Vec<&str> {
    processes.iter().map(|process| process.command.as_str()).collect()
}
