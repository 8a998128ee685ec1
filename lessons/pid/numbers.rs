//! Which numbers a process has, and who sees it by which.

use super::*;

/// The second container, and what the host sees of both.
pub(super) struct Neighbourhood {
    pub(super) launcher: Actor,
    first: Actor,
    hosts_list: Vec<ProcessRow>,
}

/// A launcher makes a PID namespace, and its first child is PID 1 there.
pub(super) fn who_moves_in(stage: &Stage) -> Result<Container> {
    stage.step(&steps::WHO_MOVES_IN)?;
    stage.say(
        "The kernel gives every process a number: its process ID, or PID. A PID namespace is a set of such numbers. In it \
         each number stands for one process, and the first process gets number 1.",
    );
    stage.say(
        "Three processes take part in this step. The host is the first process on the stage. It stands for the machine, outside the container. It starts \
         the launcher, which does what a container engine does: it makes a new PID namespace. Then the launcher starts the \
         container: the first process in there.",
    );
    stage.say(
        "The launcher calls unshare(2), which makes new namespaces for its caller. The flag CLONE_NEWPID asks for a new PID \
         namespace. For most types of namespaces, the caller is in the new one as soon as the call returns.",
    );
    stage.ask()?;
    let launcher = stage.host().fork("launcher")?;
    let outside = launcher.remark("the launcher is in A").readlink_ns("pid")?;
    launcher.unshare(CLONE_NEWPID)?;
    let stayed = launcher.remark("it is still there").readlink_ns("pid")?;
    let launchers_own = launcher.remark("and has the number that it had").getpid()?;
    stage.say(
        "Programs expect that their own number never changes. So unshare(2) makes a PID namespace and leaves the caller \
         where it is. Only children that the caller has from now on will be in the new one. In /proc/PID/ns there are \
         two links for this: pid is where the process itself is, and pid_for_children is where its children will be. After \
         unshare(2), the second link cannot be read until there is a first child. Now the launcher starts the container.",
    );
    let pending = launcher.readlink_ns("pid_for_children").refusal()?;
    let first = launcher.remark("the container's number, as the launcher knows it").fork("container")?;
    let for_children = launcher.readlink_ns("pid_for_children")?;
    stage.verify(
        &steps::FOR_CHILDREN,
        pending == Some(Errno::ENOENT) && stayed == outside && for_children != outside,
        evidence!["the launcher itself:", stayed, "· its children:", for_children],
    )?;
    let place = if stayed == outside { "the old one" } else { "the new one" };
    let number = if launchers_own == launcher.pid() { "as before".to_owned() } else { format!("as {launchers_own}") };
    stage.answer(format!("{place}, {number}"))?;
    let own = what_it_calls_itself(stage, &first, launchers_own)?;
    Ok(Container { launcher, first, own })
}

/// The number of the container's first process, as itself knows it.
fn what_it_calls_itself(stage: &Stage, first: &Actor, launchers_own: i32) -> Result<i32> {
    stage.say("The container asks the kernel for its own number and for that of its parent.");
    let own = first.getpid()?;
    let parent = first.remark("0: the parent has no number in here").getppid()?;
    stage.verify(
        &steps::ONE_INSIDE,
        own == 1 && parent == 0 && first.pid() != 1,
        evidence!["inside:", Value::Pid(own), "· on the host:", Value::Pid(first.pid())],
    )?;
    stage.say(
        "A program calls getpid() in the C library, and the library makes the system call. glibc, the usual C library, \
         remembered the answer in the versions 2.3.4 to 2.24. A child that \
         was made by a bare system call, without the library, then got its parent's number. nslearn makes its children in this way. The container asks once more, without the library.",
    );
    let uncached = first.getpid_syscall()?;
    stage.verify(
        &steps::GETPID_NOT_CACHED,
        own == uncached && own != launchers_own,
        evidence![
            "getpid() said",
            Value::Pid(launchers_own),
            "to the launcher and",
            Value::Pid(own),
            "to its child; the bare system call says",
            Value::Pid(uncached)
        ],
    )?;
    Ok(own)
}

/// The numbers of the container's process, and what the host sees of it and of a neighbour.
pub(super) fn seen_from_above(stage: &Stage, container: &Container) -> Result<Neighbourhood> {
    let host = stage.host();
    let Container { launcher, first, own } = container;
    stage.step(&steps::A_NUMBER_FOR_EACH_LEVEL)?;
    stage.say(
        "A new PID namespace lies below the one in which its maker is. A process has one number in its own PID namespace \
         and one more in each namespace above. The line NSpid in /proc/PID/status lists them. It begins with the \
         PID namespace that this /proc belongs to, here the host's, and ends with the process's own.",
    );
    let numbers = first.nspid()?;
    stage.say(
        "The stage is itself made of namespaces, below those of your own machine. nslearn runs outside the stage. It reads \
         the same line in the /proc of your machine, and there the line begins further up.",
    );
    let outside = first.nspid_outside()?;
    stage.verify(
        &steps::NSPID,
        numbers == [first.pid(), *own] && outside.len() > numbers.len() && outside.ends_with(&numbers),
        evidence![
            "the host knows it as",
            Value::Pid(first.pid()),
            "and it knows itself as",
            Value::Pid(*own),
            "· numbers read on the stage:",
            numbers.len(),
            "· outside:",
            outside.len()
        ],
    )?;
    stage.say(
        "Now the host starts a second launcher, and that one a second container in the same way: the neighbour. Then the host \
         looks at the processes in its /proc, where the host itself is called init. To the host, a process of a \
         container is like any other.",
    );
    let launcher2 = host.fork("launcher2")?;
    launcher2.unshare(CLONE_NEWPID)?;
    let neighbour = launcher2.fork("neighbour")?;
    let hosts_list = stage.list_proc(host)?;
    stage.say(
        "The next table tells who is in which namespace, for all types. Equal letters in a row mean the same namespace. Each \
         link in /proc/PID/ns leads to a file of the kernel's that stands for the namespace. nslearn compares these \
         files by device and inode number, as stat(2) tells them. A process that shares the host's PID namespace calls itself by its number on the host.",
    );
    stage.who_is_where(&[host, launcher, first, &neighbour])?;
    same_file_same_namespace(stage, container)?;
    Ok(Neighbourhood { launcher: launcher2, first: neighbour, hosts_list })
}

/// The launcher shares all with the host, and the container all but one: by the files, and by what they call themselves.
fn same_file_same_namespace(stage: &Stage, container: &Container) -> Result<()> {
    let Container { launcher, first, .. } = container;
    let launchers = launcher.remark("its number on the host").getpid()?;
    let own = first.remark("not its number on the host").getpid()?;
    let same = stage.same_by_stat(stage.host(), launcher)?;
    let with_container = stage.same_by_stat(stage.host(), first)?;
    let all_but_pid = with_container.iter().all(|(of, same)| *same == (*of != NamespaceType::Pid));
    let others = |types: &[(NamespaceType, bool)]| {
        let named: Vec<_> = types.iter().filter(|(_, same)| !same).map(|(of, _)| of.name()).collect();
        if named.is_empty() { "the host's files".to_owned() } else { format!("another file for {}", named.join(", ")) }
    };
    stage.verify(
        &steps::SAME_INODE,
        same.iter().all(|(_, same)| *same) && all_but_pid && launchers == launcher.pid() && own != first.pid(),
        evidence![
            "the launcher:",
            others(&same),
            "· it calls itself",
            Value::Pid(launchers),
            "and on the host is",
            Value::Pid(launcher.pid()),
            "· the container:",
            others(&with_container),
            "· it calls itself",
            Value::Pid(own),
            "and on the host is",
            Value::Pid(first.pid())
        ],
    )
}

/// The container's list with the host's proc and with its own.
pub(super) fn what_proc_lists(stage: &Stage, container: &Container, neighbourhood: &Neighbourhood) -> Result<()> {
    let Container { launcher, first, .. } = container;
    let hosts_list = &neighbourhood.hosts_list;
    stage.step(&steps::WHAT_PROC_LISTS)?;
    stage.say(
        "Linux has no system call that lists processes. Programs such as ps(1) read /proc instead: a file system with a \
         directory for each process, named by its number. Somebody has to mount it. The host has done so, and the \
         container, which has no mounts of its own so far, has the same one.",
    );
    stage.ask()?;
    let stale = stage.list_proc(first)?;
    stage.say(
        "The mount decides what is listed, not the reader. Unless told otherwise, it shows the PID namespace of the process that \
         mounted it. So the container still finds everybody in there, and so does the neighbour. (Here nslearn reads /proc \
         itself. The ps of procps 4 first looks up its own number in /proc, and fails if no process in there has it.)",
    );
    stage.say(
        "What helps is a proc of its own. The container first takes its own copy of the mounts (CLONE_NEWNS, a mount \
         namespace), so that the host keeps its /proc. Then it mounts a new proc over the old one.",
    );
    first.unshare(CLONE_NEWNS)?;
    first.remark("the next mount does not spread to the host").mount_private()?;
    first.mount_proc("/proc")?;
    let fresh = stage.list_proc(first)?;
    stage.verify(
        &steps::STALE_PROC,
        lists(&stale, launcher.pid()) && fresh == [row(1, 0, "container")],
        evidence!["in the old /proc:", stale.len(), "processes · in the new one:", fresh.len()],
    )?;
    stage.answer(if stale == *hosts_list {
        "the host's list".to_owned()
    } else if commands(&stale) == commands(hosts_list) {
        "the host's list, renumbered".to_owned()
    } else {
        stale.iter().map(|process| format!("{} {}", process.pid, process.command)).collect::<Vec<_>>().join(", ")
    })?;
    siblings(stage, first, neighbourhood, &fresh)
}

/// Neither of two containers lists the other.
fn siblings(stage: &Stage, first: &Actor, neighbourhood: &Neighbourhood, fresh: &[ProcessRow]) -> Result<()> {
    let Neighbourhood { first: neighbour, hosts_list, .. } = neighbourhood;
    stage.say(
        "The neighbour does the same. Now each of the two containers lists itself alone. The host's list in step 2 has \
         both.",
    );
    neighbour.unshare(CLONE_NEWNS)?;
    neighbour.mount_private()?;
    neighbour.mount_proc("/proc")?;
    let neighbours = stage.list_proc(neighbour)?;
    stage.verify(
        &steps::PARENT_SEES_CHILD,
        lists(hosts_list, first.pid())
            && lists(hosts_list, neighbour.pid())
            && *fresh == [row(1, 0, "container")]
            && neighbours == [row(1, 0, "neighbour")],
        evidence![
            "the host lists",
            Value::Pid(first.pid()),
            "and",
            Value::Pid(neighbour.pid()),
            "· the container lists",
            names(fresh),
            "· the neighbour lists",
            names(&neighbours)
        ],
    )
}

fn row(pid: i32, ppid: i32, command: &str) -> ProcessRow {
    ProcessRow { pid, ppid, command: command.to_owned() }
}

fn commands(processes: &[ProcessRow]) -> Vec<&str> {
    processes.iter().map(|process| process.command.as_str()).collect()
}

fn names(processes: &[ProcessRow]) -> String {
    processes.iter().map(|process| format!("{} {}", process.pid, process.command)).collect::<Vec<_>>().join(", ")
}
