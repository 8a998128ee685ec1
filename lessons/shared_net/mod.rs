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
    question: "A web server runs in one container. How can a program in another container reach it at localhost?",
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
        "A namespace gives a group of processes its own view of one thing: its own list of processes, for example, or \
         its own network. A container is a group of processes in namespaces that were made for it.",
    );
    stage.say(
        "On stage are the host, which is process 1 of the machine, and three more processes. The runtime plays \
         runc, a program that Docker starts for each container: it makes the namespaces of a container called web, \
         starts the first process there, and ends. That first process is the master of a web server. It makes a second process, the worker, which answers the requests. nginx works in this \
         way. Later steps bring a client, in a container of its own, and a helper.",
    );
    stage.say(
        "The runtime asks for namespaces of five types: mount, PID (process numbers), UTS (hostname), IPC (message \
         queues and shared memory) and network. (Docker often adds a sixth type, cgroup: the groups that limit memory and \
         CPU.) The runtime's child, the master, is in all five. The master makes its mounts \
         private, so that later changes stay in its own mount namespace. Then it mounts a /proc that lists the processes \
         of this container.",
    );
    let master = container(stage, "runtime", "master")?;
    stage.say(
        "Each network namespace has a loopback interface, lo. What is sent to localhost (127.0.0.1) goes out on lo and \
         comes back in, in the same namespace. In a new one lo is switched off, so the master switches it on. (For \
         lo, ip(8) says DOWN when it is off, and UNKNOWN when it is on.) Then the master \
         listens on port 80, the port for web pages: it waits there for clients to connect. 0.0.0.0 means every IPv4 \
         address of this network namespace. The worker inherits the listening socket.",
    );
    master.remark("as the command ip link set lo up does").link_up("lo")?;
    let port = master.listen(80)?;
    let worker = master.fork("worker")?;
    worker.begin_http_server(port, PAGE)?;
    stage.or_skip(&[], || stage.ss_tln(&master))?;
    stage.say("The server works. The master asks localhost for the page, and the worker answers:");
    let page = stage.curl(&master)?;

    let client = a_client_next_door(stage, &master)?;
    it_joins_the_network(stage, &master, &client, &page)?;
    in_one_container_or_in_two(stage, &master, &client)?;
    a_helper_looks_in(stage, &master)
}

/// A client in a container of its own, whose localhost is another one.
fn a_client_next_door(stage: &Stage, master: &Actor) -> Result<Actor> {
    stage.step(&steps::NEXT_DOOR)?;
    stage.say(
        "A second runtime makes a second container in the same way. Its first process is the client, which will ask \
         for the page. This container has five namespaces of its own, too. One of them is a network namespace, with a \
         lo of its own, and the client switches that on.",
    );
    let client = container(stage, "runtime2", "client")?;
    client.link_up("lo")?;
    stage.say(
        "Next the client connects to localhost, port 80. If that fails, the kernel's error says why. ECONNREFUSED: the \
         address was reached, but no socket listens on that port. ENETUNREACH: there is no route to the address. \
         ETIMEDOUT: no answer came.",
    );
    stage.ask()?;
    let refused = stage.curl(&client).refusal()?;
    let own_network =
        apart(stage, stage.host(), &client)?.contains(&"net") && apart(stage, master, &client)?.contains(&"net");
    stage.verify(
        &steps::REFUSED,
        own_network && refused == Some(Errno::ECONNREFUSED),
        evidence!["connect(127.0.0.1:80):", refused],
    )?;
    stage.answer(refused)?;
    Ok(client)
}

/// The client moves into the server's network namespace, and gets the page that the server got.
fn it_joins_the_network(stage: &Stage, master: &Actor, client: &Actor, page: &[String]) -> Result<()> {
    stage.step(&steps::JOINS)?;
    stage.say(
        "With setns(2) a process joins a namespace that exists already. The call takes two things. The first is a file \
         descriptor; here it is a pidfd, which stands for a process, the master. The second is a flag that says which \
         of the master's namespaces is meant. CLONE_NEWNET means the network.",
    );
    stage.say(
        "The client cannot open a pidfd of the master. pidfd_open(2) takes a process number, and in the client's PID \
         namespace the master has none. So the host opens it and sends it to the client over a Unix socket, which \
         connects two processes of one machine. Such a socket can carry file descriptors (SCM_RIGHTS in unix(7)).",
    );
    stage.say(
        "After that, the client's localhost is the server's. The client makes the same request again. In the result, each \
         network namespace has a number and a letter. The same letter means the same namespace.",
    );
    let before = stage.namespace_of(client, NamespaceType::Net)?;
    let apart_before = apart(stage, master, client)?;
    client.join(master, CLONE_NEWNET)?;
    let after = stage.namespace_of(client, NamespaceType::Net)?;
    let only_net_changed = apart_before.into_iter().filter(|kind| *kind != "net").eq(apart(stage, master, client)?);
    let got = stage.curl(client)?;
    stage.verify(
        &steps::JOINED,
        before != after
            && only_net_changed
            && got == page
            && got.iter().any(|line| line.contains("Welcome to the web container")),
        evidence!["the client was in", before, "and is in", after],
    )
}

/// What the client shares with the server now, and what it does not.
fn in_one_container_or_in_two(stage: &Stage, master: &Actor, client: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::ONE_OR_TWO)?;
    stage.say(
        "The client is in the network namespace of the other container now. Programs such as ps(1) get their \
         list of processes from /proc. \
         The client mounted its /proc in step 2, when its container was made.",
    );
    stage.ask()?;
    let alone = stage.list_proc(client)?;
    stage.answer(commands(&alone).join(", "))?;
    stage.say(
        "A container is not one thing to join. It is a set of namespaces, and each can be shared by itself. The table \
         shows who is in which one: in a row, the same letter means the same namespace. The runtimes made namespaces of \
         five types. Of these five, client and server now share one, the network. Neither runtime asked for a cgroup, \
         time or user namespace, so all processes here are in the same cgroup, time and user namespace.",
    );
    stage.who_is_where(&[host, master, client])?;
    let [of_server, of_client] = [apart(stage, host, master)?, apart(stage, host, client)?];
    let between = apart(stage, master, client)?;
    stage.verify(
        &steps::ONLY_NET,
        of_server == MADE && of_client == MADE && between == ["ipc", "mnt", "pid", "uts"] && alone.len() == 1,
        evidence![
            "by device and inode, client and server differ in",
            between.join(", "),
            "· processes that the client lists:",
            alone.len()
        ],
    )?;
    stage.say(
        "Processes that share a network namespace share its ports. Only one socket can listen on an address and port. \
         (More can if each of them has set the option SO_REUSEPORT.) The server listens on port 80. The client tries the \
         same port, and then 8080, which is free.",
    );
    let taken = client.listen(80).refusal()?;
    let free = client.listen(8080).refusal()?;
    stage.verify(
        &steps::PORT_TAKEN,
        taken == Some(Errno::EADDRINUSE) && free.is_none(),
        evidence!["bind(0.0.0.0:80):", taken, "· bind(0.0.0.0:8080):", free],
    )?;
    stage.say(
        "In Kubernetes, a pod is a group of containers that share a network namespace. They reach each other at \
         localhost in this way.",
    );
    stage.say(
        "The command by hand lets two programs print their network and their UTS namespace, and counts equal lines. They \
         share one, so a 2 stands before it.",
    );
    Ok(())
}

/// A helper from outside shares the server's PID namespace.
fn a_helper_looks_in(stage: &Stage, master: &Actor) -> Result<()> {
    stage.step(&steps::LOOKS_IN)?;
    stage.say(
        "Other types can be shared in the same way. Suppose that you want to see web's processes, and that web's image \
         has no ps. Then you can start a process of your own in web's PID namespace. It has the programs of the host.",
    );
    stage.say(
        "Two processes do that here. The joiner, a child of the host, calls setns(2) with CLONE_NEWPID. It stays in the \
         host's PID namespace, because a process keeps its number for life. But the children that it makes from now on \
         are in web's PID namespace. Its child is the helper. PID namespaces are nested: the host's is above web's. A \
         process has one number in its own PID namespace and one in each above it. So the helper has one number in web, \
         and another on the host.",
    );
    stage.ask()?;
    let joiner = stage.host().start("joiner")?;
    joiner.join(master, CLONE_NEWPID)?;
    joiner.unshare(CLONE_NEWNS)?;
    let helper = joiner.fork("helper")?;
    joiner.leave()?;
    stage.say(
        "The joiner ends. The helper still has the host's /proc. The joiner has made a new mount namespace, and there the \
         helper mounts a /proc of its own, which lists the processes of web.",
    );
    helper.mount_private()?;
    helper.mount_proc("/proc")?;
    let seen = stage.list_proc(&helper)?;
    stage.verify(
        &steps::SHARED_PIDS,
        commands(&seen) == ["master", "worker", "helper"] && seen[0].pid == 1,
        evidence!["it lists", commands(&seen).join(", ")],
    )?;
    stage.say("Now the master looks into its own /proc.");
    let masters_view = stage.list_proc(master)?;
    stage.verify(
        &steps::BOTH_WAYS,
        masters_view == seen && masters_view.iter().any(|process| process.command == "helper"),
        evidence!["the master lists", commands(&masters_view).join(", ")],
    )?;
    let known_as = masters_view.iter().find(|process| process.command == "helper").map(|process| process.pid);
    stage.answer(match known_as {
        None => "no helper",
        Some(number) if number == helper.pid() => "the host's number",
        Some(_) => "another number",
    })?;
    stage.say(
        "Why is the helper's parent 0? The parent is outside of web's PID namespace and has no number there. So 0 is \
         shown, and it was 0 while the joiner lived, too. On the host, the helper has a parent. The joiner has \
         ended, and an orphan goes to PID 1 of the PID namespace that its dead parent was in (or to an ancestor there \
         that asked for orphans). That is PID 1 of the host, which its list calls init:",
    );
    stage.list_proc(stage.host())?;
    stage.say("Nothing was installed in the container. In a shell, nsenter(1) does what the joiner did.");
    Ok(())
}

/// The types of which a container here has namespaces of its own.
const MADE: [&str; 5] = ["ipc", "mnt", "net", "pid", "uts"];

/// A container as an engine makes it: a runtime asks for new namespaces, starts the first process there, and is done.
fn container(stage: &Stage, runtime: &str, name: &str) -> Result<Actor> {
    let runtime = stage.host().start(runtime)?;
    runtime.unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)?;
    let first = runtime.fork(name)?;
    runtime.leave()?;
    first.mount_private()?;
    first.mount_proc("/proc")?;
    Ok(first)
}

/// The types of which two actors are in different namespaces, by device and inode.
fn apart(stage: &Stage, one: &Actor, other: &Actor) -> Result<Vec<&'static str>> {
    let types = stage.same_by_stat(one, other)?;
    Ok(types.into_iter().filter(|(_, same)| !same).map(|(kind, _)| kind.name()).collect())
}

fn commands(processes: &[ProcessRow]) -> Vec<&str> {
    processes.iter().map(|process| process.command.as_str()).collect()
}
