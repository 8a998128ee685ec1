//! Reads what strace(1) has written: the calls that change something, each in one form.

use std::collections::HashMap;

/// What strace is to watch: the calls that change something which others can notice, and prctl(2), by which actors take
/// their names.
pub(super) const WATCHED: &str = "clone,clone3,unshare,setns,mount,umount2,mount_setattr,pivot_root,chroot,chdir,sethostname,\
     setdomainname,mkdir,mkdirat,write,kill,tkill,tgkill,pidfd_send_signal,execve,execveat,pidfd_open,bind,listen,connect,\
     setsockopt,sendto,sendmsg,close,prctl";

/// A call that the kernel has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whose call it was; empty for a process that has no name of its own.
    pub(super) actor: String,
    /// The call and its result.
    pub(super) call: String,
}

/// What is known of the processes and sockets so far.
#[derive(Default)]
struct Reader<'a> {
    /// Actors' names, by process id.
    names: HashMap<&'a str, String>,
    /// The addresses of sockets, by their inodes.
    bound: HashMap<String, String>,
}

/// What the kernel saw, by strace's account, in the order of the answers.
pub(super) fn account(trace: &str) -> Vec<Seen> {
    let mut begun: Vec<(&str, &str)> = Vec::new();
    let mut reader = Reader::default();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (pid, said) = line.split_once(' ').unwrap();
        let said = said.trim_start();
        let whole = if said.starts_with("???(") || said.starts_with("<... ???") {
            // A process that was killed on its way into or out of some call, before strace could read which: at the
            // end of the stage, where all of them wait for what to do next.
            continue;
        } else if let Some(start) = said.strip_suffix(" <unfinished ...>") {
            begun.push((pid, start));
            continue;
        } else if let Some(resumed) = said.strip_prefix("<... ") {
            // A process that somebody else's call came in between of: its line is in two parts.
            let (_, rest) = resumed.split_once(" resumed>").unwrap();
            let index = begun.iter().rposition(|(begun, _)| *begun == pid).unwrap();
            format!("{}{rest}", begun.remove(index).1)
        } else if said.starts_with("+++") {
            // What a process was about to do when it was killed has no answer. Strace may not even have read what it was,
            // and shows another one's call in its place.
            begun.retain(|(begun, _)| *begun != pid);
            continue;
        } else if said.starts_with("---") {
            continue;
        } else {
            said.to_owned()
        };
        calls.extend(reader.read(pid, &whole));
    }
    assert!(begun.is_empty(), "calls without an answer: {begun:?}");
    calls
}

impl<'a> Reader<'a> {
    /// A call in strace's words: `mount("proc", "/proc", "proc", 0, NULL) = 0`. `None` for one that changes nothing which
    /// anybody else can notice.
    fn read(&mut self, pid: &'a str, line: &str) -> Option<Seen> {
        let (call, result) = line.rsplit_once(" = ").unwrap();
        let (name, args) = call.trim_end().strip_suffix(')').unwrap().split_once('(').unwrap();
        if name == "prctl" {
            if let Some(name) = args.strip_prefix("PR_SET_NAME, ") {
                let name = name.trim_matches('"').replace("init", "host");
                self.names.insert(pid, name);
            }
            return None;
        }
        let args = arguments(args);
        let call = match name {
            "sendto" => sent(&args, result),
            "sendmsg" => rights(&args, result),
            "bind" | "connect" | "listen" | "setsockopt" | "close" => self.of_a_socket(name, args, result),
            _ => plain(name, args, result),
        };
        let actor = self.names.get(pid).cloned().unwrap_or_default();
        call.map(|call| Seen { actor, call })
    }

    /// A call about a socket. Those of a conversation over netlink(7) change nothing until something is sent, and a socket
    /// of udp(7) is there for a look at the routes.
    fn of_a_socket(&mut self, name: &str, mut args: Vec<String>, result: &str) -> Option<String> {
        let socket = args.remove(0);
        if ["<NETLINK", "<UDP"].iter().any(|kind| socket.contains(kind)) {
            return None;
        }
        let inode = between(&socket, ":[", "]").unwrap_or_default().to_owned();
        let address = match name {
            "bind" => {
                let address = address(&args[0]);
                if errno_of(result).is_none() {
                    self.bound.insert(inode, address.clone());
                }
                address
            }
            "connect" => address(&args[0]),
            "setsockopt" => {
                // nslearn's own channels want to know who sends; they have no addresses.
                let option = args[1].trim_end_matches("_OLD").to_owned();
                return (option != "SO_PASSCRED" || self.bound.contains_key(&inode))
                    .then(|| in_one_form(name, &[option], errno_of(result)));
            }
            "close" => self.bound.remove(&inode)?,
            _ => self.bound.get(&inode)?.clone(),
        };
        Some(in_one_form(name, &[address], errno_of(result)))
    }
}

/// A message with a destination. What is sent over a connection is part of a look (a page is fetched).
fn sent(args: &[String], result: &str) -> Option<String> {
    if args[0].contains("<TCP") || args[0].contains("<UNIX-STREAM") {
        return None;
    }
    if args[0].contains("<NETLINK") {
        return message(&args[1]).map(|message| format!("sendto({message}) = {result}"));
    }
    Some(format!("sendto({}) = {}", address(&args[4]), errno_of(result).unwrap_or(result)))
}

/// What is asked for in a message to the kernel, if it is a change: that wants an acknowledgement. Of a batch, whose last
/// part wants it, all its parts but the edges, by which nothing is made.
///
/// Where the socket is in another network namespace, strace does not know whom it speaks to, and shows numbers.
fn message(text: &str) -> Option<String> {
    let flags = |header: &str| header.split(", nlmsg_seq").next().unwrap().to_owned();
    let wants = |header: &str, flag: &str| flags(header).contains(flag);
    let headers: Vec<&str> = text.split("nlmsg_type=").skip(1).collect();
    headers.iter().find(|header| wants(header, "NLM_F_ACK"))?;
    let makes = |header: &&str| ["NLM_F_ACK", "NLM_F_CREATE", "|0x400"].iter().any(|flag| wants(header, flag));
    Some(headers.into_iter().filter(makes).map(change).collect::<Vec<_>>().join(", "))
}

/// One of them.
fn change(change: &str) -> String {
    let kind = change.split([' ', ',']).next().unwrap();
    let kind = match kind {
        "0x10" => "RTM_NEWLINK",
        "0x13" => "RTM_SETLINK",
        "0x14" => "RTM_NEWADDR",
        "0x18" => "RTM_NEWROUTE",
        "0xa00" => "NFT_MSG_NEWTABLE",
        "0xa03" => "NFT_MSG_NEWCHAIN",
        "0xa06" => "NFT_MSG_NEWRULE",
        other => other.rsplit('|').next().unwrap(),
    };
    let index = between(change, "\"", "\"").map(|payload| payload.split("\\x").skip(1).nth(4).unwrap_or_default());
    match index {
        Some(index) if kind == "RTM_NEWLINK" && index != "00" => {
            format!("{kind} index {}", u8::from_str_radix(index, 16).unwrap())
        }
        _ => kind.to_owned(),
    }
}

/// A message with file descriptors. One with a file in memory is nslearn's own, and too long for a packet.
fn rights(args: &[String], result: &str) -> Option<String> {
    let message = args[1].as_str();
    let passes = message.contains("cmsg_type=SCM_RIGHTS") && !message.contains("memfd:nslearn-message");
    passes.then(|| format!("sendmsg(SCM_RIGHTS) = {result}"))
}

/// Any other call.
fn plain(name: &str, mut args: Vec<String>, result: &str) -> Option<String> {
    let mut name = name;
    match name {
        "clone" | "clone3" => args = vec![namespaces_in(&args.join("|"))],
        "setns" => drop(args.remove(0)),
        "sethostname" | "setdomainname" => args = vec![short(&args[0], args[1].parse().unwrap())],
        "mount_setattr" => {
            let what = args[3].split_once("attr_set=").and_then(|(_, rest)| rest.split(',').next()).unwrap();
            args = vec![args[1].clone(), args[2].clone(), what.to_owned()];
        }
        "mount" if args[4] == "NULL" => args.truncate(4),
        // It sends nothing: a hint's look whether there is such a process.
        "pidfd_send_signal" if args[1] == "0" => return None,
        "mkdir" | "mkdirat" => {
            name = "mkdir";
            let path = args.len() - 2;
            args = vec![args[path].clone()];
        }
        "execve" | "pidfd_open" => args.truncate(1),
        "write" => {
            // Files have paths, and all else that is written to is a pipe, a socket or memory.
            let path =
                between(&args[0], "<", ">").filter(|path| path.starts_with('/') && !path.starts_with("/memfd:"))?;
            let file = path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap().to_owned();
            args = vec![file, args[1].clone()];
        }
        _ => {}
    }
    Some(in_one_form(name, &args, errno_of(result)))
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(inside, _)| inside)
}

/// The address in a `{sa_family=…}`, as the transcript has it.
fn address(text: &str) -> String {
    if let Some(path) = text.split_once("sun_path=").map(|(_, path)| path.trim_end_matches('}').replace('"', "")) {
        return path;
    }
    let host = between(text, "inet_addr(\"", "\")").unwrap();
    match between(text, "htons(", ")").unwrap() {
        "0" => host.to_owned(),
        port => format!("{host}:{port}"),
    }
}

/// `EPERM` of `-1 EPERM (Operation not permitted)`; `None` for a success.
fn errno_of(result: &str) -> Option<&str> {
    result.strip_prefix("-1 ").and_then(|refusal| refusal.split(' ').next())
}

fn arguments(text: &str) -> Vec<String> {
    let (mut args, mut quoted, mut escaped, mut depth) = (vec![String::new()], false, false, 0);
    for letter in text.chars() {
        match letter {
            '"' if !escaped => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                args.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        args.last_mut().unwrap().push(letter);
    }
    args.iter().map(|arg| arg.trim().trim_matches('"').to_owned()).collect()
}

fn namespaces_in(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    words.filter(|word| word.starts_with("CLONE_NEW")).collect::<Vec<_>>().join("|")
}

/// A name as the transcript shows it: a long one by its beginning and its length. Where strace could not read the name
/// (the kernel refused it by its length alone), the length is all there is to compare.
fn short(name: &str, length: usize) -> String {
    if length > 24 { format!("{length} bytes") } else { name.to_owned() }
}

/// Flags in the alphabet's order, as strace and the transcript each have their own.
pub(super) fn in_one_form(name: &str, args: &[String], errno: Option<&str>) -> String {
    let sorted = |arg: &String| {
        let mut flags: Vec<&str> = arg.split('|').map(str::trim).collect();
        flags.sort_unstable();
        flags.join("|")
    };
    let args: Vec<String> = args.iter().map(sorted).collect();
    format!("{name}({}) = {}", args.join(", "), errno.unwrap_or("0"))
}

#[test]
fn the_ledger_tests_reading_of_strace_is_right() {
    let trace = r#"7 prctl(PR_SET_NAME, "init") = 0
7 mount("proc", "/a,b", "proc", MS_REC|MS_BIND, NULL) = 0
7 clone3({flags=0, exit_signal=SIGCHLD, stack=NULL, stack_size=0}, 88) = 8
7 clone(child_stack=0x7, flags=CLONE_NEWPID|SIGCHLD <unfinished ...>
9 prctl(PR_SET_NAME, "web1") = 0
9 setns(3<pid:[1]>, CLONE_NEWUTS)            = -1 EPERM (Operation not permitted)
7 <... clone resumed>)              = 9
9 bind(3<TCP:[11]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0
9 listen(3<TCP:[11]>, 128) = 0
9 bind(4<NETLINK:[12]>, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0
9 setsockopt(3<UNIX:[13]>, SOL_SOCKET, SO_PASSCRED, [1], 4) = 0
9 setsockopt(3<TCP:[11]>, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
9 close(3<TCP:[11]>) = 0
9 close(4<NETLINK:[12]>) = 0
9 sendto(3<NETLINK:[12]>, [{nlmsg_len=32, nlmsg_type=0x12 /* NLMSG_??? */, nlmsg_flags=NLM_F_REQUEST|0x300, nlmsg_seq=0, nlmsg_pid=0}, "\x00"], 32, 0, NULL, 0) = 32
9 sendto(3<NETLINK:[12]>, [{nlmsg_len=32, nlmsg_type=0x10 /* NLMSG_??? */, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK|0x600, nlmsg_seq=0, nlmsg_pid=0}, "\x00\x00\x00\x00\x07\x00\x00\x00"], 32, 0, NULL, 0) = 32
9 sendmsg(3<UNIX:[13]>, {msg_name=NULL, msg_iov=[{iov_base="\1", iov_len=1}], msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[5<pid:7>]}], msg_flags=0}, MSG_NOSIGNAL) = 2
9 sendmsg(3<UNIX:[13]>, {msg_name=NULL, msg_iov=[{iov_base="\"}", iov_len=1}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, MSG_NOSIGNAL) = 2
9 write(5</proc/9/uid_map>, "0 0 1", 5) = 5
9 write(6<pipe:[5]>, "x", 1) = 1
9 pidfd_send_signal(0<pid:7>, 0, NULL, 0) = -1 EINVAL (Invalid argument)
9 pidfd_send_signal(0<pid:7>, SIGTERM, NULL, 0) = 0
9 ???( <unfinished ...>
9 +++ killed by SIGKILL +++
"#;
    let expected = [
        ("host", "mount(proc, /a,b, proc, MS_BIND|MS_REC) = 0"),
        ("host", "clone3() = 0"),
        ("web1", "setns(CLONE_NEWUTS) = EPERM"),
        ("host", "clone(CLONE_NEWPID) = 0"),
        ("web1", "bind(0.0.0.0:80) = 0"),
        ("web1", "listen(0.0.0.0:80) = 0"),
        ("web1", "setsockopt(SO_REUSEADDR) = 0"),
        ("web1", "close(0.0.0.0:80) = 0"),
        ("web1", "sendto(RTM_NEWLINK index 7) = 32"),
        ("web1", "sendmsg(SCM_RIGHTS) = 2"),
        ("web1", "write(uid_map, 0 0 1) = 0"),
        ("web1", "pidfd_send_signal(0<pid:7>, SIGTERM, NULL, 0) = 0"),
    ];
    let expected = expected.map(|(actor, call)| Seen { actor: actor.to_owned(), call: call.to_owned() });
    assert_eq!(account(trace), expected);
}
