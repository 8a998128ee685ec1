//! Shared namespaces: two containers, one localhost.

use nix::errno::Errno;

use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::lessons::notes;
use crate::stage::{Actor, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, Effect, Stage};
use crate::transcript::{Kind, ProcessRow};

/// The lesson's card.
pub(super) const LESSON: Lesson = Lesson {
    id: "shared-net",
    title: "Shared namespaces",
    subtitle: "two containers, one localhost",
    question: "A page that is served in one container: how does another one get it from localhost?",
    minutes: 10,
    steps: 5,
    needs: &[
        (Effect::Pid, ALL),
        (Effect::Mnt, ALL),
        (Effect::Uts, ALL),
        (Effect::Ipc, ALL),
        (Effect::Net, ALL),
        (Effect::Proc, ALL),
        (Effect::Setns, JOINED),
        (Effect::Several, &[]),
    ],
    man: &["setns(2)", "namespaces(7)", "pidfd_open(2)", "nsenter(1)"],
    facts: ALL,
    notes: notes::shared_net::NOTES,
    play,
};

/// The facts that take joining a namespace.
const JOINED: &[&str] =
    &["shared-net-joined", "shared-net-only-net", "shared-net-port-taken", "pid-container-shared", "shared-pid-ps"];

/// All its facts: each takes two containers.
const ALL: &[&str] = &[
    "shared-net-refused",
    "shared-net-joined",
    "shared-net-only-net",
    "shared-net-port-taken",
    "pid-container-shared",
    "shared-pid-ps",
];

const PAGE: &str = "\
<!DOCTYPE html>
<title>Welcome</title>
<h1>Welcome to the web container</h1>
";

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();
    stage.has_steps(LESSON.steps);

    stage.step("A web server in a container");
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
    stage.by_hand(
        "unshare --user --map-root-user --net --uts --ipc --pid --fork --mount-proc sh -c \
         'hostname web; ip link set lo up; hostname; ip -br -4 addr; ps -eo ppid,comm'",
    );
    stage.by_hand_with_docker("docker run -d --name web nginx:alpine");

    stage.step("A client next door");
    let question = stage.ask(
        "shared-net-localhost",
        "A client in a second container, where the loopback is up, asks for localhost, port 80. What does it get?",
        &["the server's page", "ECONNREFUSED", "ENETUNREACH", "no answer, and ETIMEDOUT in the end"],
    );
    stage.say(
        "A second container is made in the same way. It too has a localhost, which is up. But it is another one: \
         nobody listens there, however close the server is.",
    );
    let client = container(stage, "runtime2", "client")?;
    client.link_up("lo")?;
    let refused = stage.curl(&client);
    let refused = refused.refusal()?;
    stage.verify(
        "shared-net-refused",
        "A client in its own network namespace cannot reach the server's localhost:80.",
        refused == Some(Errno::ECONNREFUSED),
        evidence!["connect(127.0.0.1:80):", refused],
    );
    stage.answer(
        question,
        &[
            refused.is_none(),
            refused == Some(Errno::ECONNREFUSED),
            refused == Some(Errno::ENETUNREACH),
            refused == Some(Errno::ETIMEDOUT),
        ],
        "There is one localhost in each network namespace: this one can be reached, and nobody listens in it.",
    );
    stage.by_hand(
        "unshare --user --map-root-user --net sh -c 'ip link set lo up; \
         bash -c \"echo > /dev/tcp/127.0.0.1/80\" || echo nobody'",
    );
    stage.by_hand_with_docker("docker run --rm alpine wget -qO- localhost");

    stage.step("The client joins the server's network");
    stage.say(
        "setns(2) moves a process into a namespace that exists. Any process in there shows the way; a pidfd stands for \
         one. After that the client's localhost is the server's, and the same request gets the page.",
    );
    let before = stage.namespace_of(&client, Kind::Net)?;
    client.join(&master, CLONE_NEWNET)?;
    let after = stage.namespace_of(&client, Kind::Net)?;
    let got = stage.curl(&client)?;
    stage.verify(
        "shared-net-joined",
        "After setns(2) into the server's network namespace the same request gets the page.",
        before != after && got == page && got.iter().any(|line| line.contains("Welcome to the web container")),
        evidence!["from", before, "to", after],
    );
    stage.by_hand(
        "unshare --user --map-root-user --net sh -c 'ip link set lo up; exec 3</proc/self/ns/net; \
         unshare --net nsenter --net=/proc/self/fd/3 ip -br -4 addr show lo'",
    );
    stage.by_hand_with_docker("docker run --rm --network container:web alpine wget -qO- localhost");

    stage.step("In one container, or in two?");
    let question = stage.ask(
        "shared-net-ps",
        "The client has joined the server's network. What does its ps list now?",
        &["the client alone", "master, worker and client", "master and worker"],
    );
    stage.say(
        "A container is not one thing: it is a set of namespaces, and each can be shared by itself. Here is who is in \
         which now. Each container has five namespaces of its own making; for one of the five types, the client is in \
         the server's.",
    );
    stage.who_is_where(&[host, &master, &client])?;
    let (of_server, of_client) = (stage.membership(&master)?.namespaces, stage.membership(&client)?.namespaces);
    let own = |kind: Kind| of_client.iter().any(|id| id.kind == kind && !of_server.contains(id));
    let alone = stage.ps(&client)?;
    stage.verify(
        "shared-net-only-net",
        "The client still has its own PID and mount namespaces: it shares one namespace, not all.",
        own(Kind::Pid) && own(Kind::Mnt) && own(Kind::Uts) && !own(Kind::Net) && alone.len() == 1,
        evidence![
            "its own:",
            Kind::ALL.into_iter().filter(|kind| own(*kind)).map(Kind::name).collect::<Vec<_>>().join(", "),
            "· processes that it lists:",
            alone.len()
        ],
    );
    stage.answer(
        question,
        &[
            commands(&alone) == ["client"],
            ["master", "worker", "client"].iter().all(|name| commands(&alone).contains(name)),
            commands(&alone) == ["master", "worker"],
        ],
        "It has joined one namespace, not a container; its PID namespace and its /proc are what they were.",
    );
    stage.say(
        "To share a network is to share its ports: the one that the server holds is taken for the client as well.",
    );
    let taken = client.listen(80).refusal()?;
    stage.verify(
        "shared-net-port-taken",
        "On the shared network the client cannot bind the server's port.",
        taken == Some(Errno::EADDRINUSE),
        evidence!["bind(0.0.0.0:80):", taken],
    );
    stage.say("This is how the containers of one Kubernetes pod reach each other on localhost.");
    stage.by_hand(
        "unshare --user --map-root-user --net sh -c 'readlink /proc/self/ns/net; exec 3</proc/self/ns/net; \
         unshare --net nsenter --net=/proc/self/fd/3 readlink /proc/self/ns/net'",
    );

    stage.step("A helper looks in");
    let question = stage.ask(
        "shared-net-helper",
        "A helper from outside joins the server's PID namespace and lists its processes. Does the master, in its turn, \
         list the helper?",
        &[
            "no: one looks in unseen",
            "yes, under a number of its own in there",
            "yes, under the number that the host has for it",
        ],
    );
    stage.say(
        "Network is one choice of eight. A debugger wants the processes: so a helper joins web's PID namespace (its \
         child does, as always with PIDs), and mounts a proc of its own to see by.",
    );
    let joiner = host.start("joiner")?;
    joiner.join(&master, CLONE_NEWPID)?;
    joiner.unshare(CLONE_NEWNS)?;
    let helper = joiner.fork("helper")?;
    joiner.leave()?;
    helper.mount_private()?;
    helper.mount_proc("/proc")?;
    let seen = stage.ps(&helper)?;
    stage.verify(
        "pid-container-shared",
        "A helper that joins another container's PID namespace sees the server as PID 1, its worker, and itself.",
        commands(&seen) == ["master", "worker", "helper"] && seen[0].pid == 1,
        evidence!["it lists", commands(&seen).join(", ")],
    );
    let masters_view = master.processes()?;
    stage.verify(
        "shared-pid-ps",
        "Sharing works both ways: the server's container lists the helper just as well.",
        masters_view == seen,
        evidence!["the master lists", commands(&masters_view).join(", ")],
    );
    let known_as = masters_view.iter().find(|process| process.command == "helper").map(|process| process.pid);
    stage.answer(
        question,
        &[known_as.is_none(), known_as.is_some_and(|number| number != helper.pid()), known_as == Some(helper.pid())],
        "Whoever is in a PID namespace has a number there, and everybody else in it can see that number.",
    );
    stage.say(
        "Nothing was installed in the container: the helper brought its own program. That is what nsenter(1) is for.",
    );
    stage.by_hand(
        "unshare --user --map-root-user --pid --fork --mount-proc sh -c 'unshare --pid --fork yes 2>/dev/null | \
         { read line; nsenter --target $(pgrep -x yes) --pid unshare --mount-proc ps -eo pid,ppid,comm; }'",
    );
    stage.by_hand_with_docker("docker run --rm --pid container:web alpine ps");
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
