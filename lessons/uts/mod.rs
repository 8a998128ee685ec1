//! UTS namespaces: one machine, two names.

mod steps;

use nix::errno::Errno;

use crate::actors::{Actor, Fd};
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWUSER, CLONE_NEWUTS, NamespaceId, Value};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "uts",
    title: "UTS namespaces",
    subtitle: "one machine, two names",
    question: "Can one kernel have two hostnames at the same time?",
    man: &["uts_namespaces(7)", "unshare(2)", "sethostname(2)", "setns(2)"],
    steps: &[
        &steps::SHARED_NAME,
        &steps::MOVES_OUT,
        &steps::SETS_A_NAME,
        &steps::WHAT_IS_IN_THERE,
        &steps::THE_WAY_BACK,
        &steps::ROOT_OF_WHAT,
    ],
    play,
};

/// The host's NIS domain name. A kernel starts with another one, `(none)`.
const DOMAIN: &str = "workshop.example";

// ANCHOR: first-step
fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();

    stage.step(&steps::SHARED_NAME)?;
    stage.say(
        "Two processes will be on stage. The host plays the machine. It makes the other one, the tenant. In this \
         lesson the tenant gets a name of its own, as a container does.",
    );
    stage.say(
        "A machine's name is called its hostname; many shells show it in their prompt. It looks like a property of the \
         machine, but the kernel keeps it in a namespace. There can be several namespaces of the same type. Each process \
         is in one of them, and sees what that one holds. The type that holds the hostname is called UTS, for Unix \
         time-sharing system.",
    );
    stage.say(
        "A new process starts in the UTS namespace of its parent. So host and tenant read the same name. Each line shows a \
         process, what it calls, and what it gets back.",
    );
    let tenant = host.remark("the tenant's process number").fork("tenant")?;
    let original = host.gethostname()?;
    tenant.gethostname()?;
    stage.say(
        "In the directory /proc, the kernel shows facts about each process, as files and links. The link \
         /proc/self/ns/uts names the UTS namespace of the process that reads it: the number in brackets stands for \
         that namespace. nslearn writes a letter behind the number. The same letter means the same namespace.",
    );
    let shared = host.readlink_ns("uts")?;
    tenant.remark("the same number: the same namespace").readlink_ns("uts")?;
    // ANCHOR_END: first-step

    let own_name = [&steps::MOVES_OUT, &steps::SETS_A_NAME, &steps::WHAT_IS_IN_THERE, &steps::THE_WAY_BACK];
    stage.part(&own_name, || {
        let way_back = the_tenant_moves_out(stage, &tenant, &original, shared)?;
        the_tenant_sets_a_name(stage, &tenant, &original)?;
        what_is_in_there(stage, &tenant, &original)?;
        the_way_back(stage, &tenant, way_back, &original, shared)
    })?;

    stage.step(&steps::ROOT_OF_WHAT)?;
    stage.or_skip(steps::ROOT_OF_WHAT.facts, || root_of_what(stage, &tenant, &original))?;
    Ok(())
}

/// The tenant moves into a UTS namespace of its own; its descriptor of the old one.
fn the_tenant_moves_out(stage: &Stage, tenant: &Actor, original: &str, shared: NamespaceId) -> Result<Fd> {
    let host = stage.host();
    stage.step(&steps::MOVES_OUT)?;
    stage.say(
        "The tenant leaves the host's UTS namespace by unshare(2). That is a system call: a request of a program to \
         the kernel. (The 2 is the section of the manual in which it is described.) unshare(2) can make a new UTS \
         namespace, and the process that calls it is in the new one after that.",
    );
    stage.ask()?;
    stage.say(
        "A UTS namespace holds two names. The hostname is one. The other is the NIS domain name. NIS is a service from \
         the 1980s that told the machines of a network about its users and hosts; its domain name has nothing to do \
         with DNS. The host sets one now, so that there are two names to copy.",
    );
    host.setdomainname(DOMAIN)?;
    let domain = host.getdomainname()?;
    stage.say(
        "The tenant opens the link before it leaves, because it wants to come back later. It gets a file descriptor: a \
         small number by which a process uses a file that it has opened. This one stands for the old namespace. Then \
         the tenant calls unshare(2). Its argument CLONE_NEWUTS says that the new namespace is a UTS namespace. The \
         answer 0 means that a call has succeeded.",
    );
    let way_back = tenant.remark("it stands for the old namespace").open_namespace("/proc/self/ns/uts")?;
    tenant.unshare(CLONE_NEWUTS)?;
    let own = tenant.remark("a new number: a new namespace").readlink_ns("uts")?;
    let copied = tenant.remark("and still the old name").gethostname()?;
    let copied_domain = tenant.getdomainname()?;
    let hosts = host.gethostname()?;
    stage.verify(
        &steps::COPIED,
        own != shared && copied == hosts && hosts == original && copied_domain == domain && domain == DOMAIN,
        evidence!["in", own, "the names are", copied, "and", copied_domain, "· as in", shared],
    )?;
    stage.answer(copied)?;
    stage.say("Linux has eight types of namespace. This table shows in which ones the host and the tenant are now.");
    stage.who_is_where(&[host, tenant])?;
    stage
        .say("Only the row uts differs. The tenant has left one namespace, and shares the seven others with the host.");
    Ok(way_back)
}

/// Host and tenant each have a hostname of their own.
fn the_tenant_sets_a_name(stage: &Stage, tenant: &Actor, original: &str) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::SETS_A_NAME)?;
    stage.say(
        "The tenant is in a UTS namespace of its own, and sets its hostname to \"tenant\". There is a file that shows a \
         hostname to whoever reads it: /proc/sys/kernel/hostname. The host is going to read it, and then the tenant.",
    );
    stage.ask()?;
    stage.say(
        "The system call that sets a hostname is sethostname(2). The kernel accepts it only from a process with the \
         capability CAP_SYS_ADMIN. A capability is one of about forty parts of what root may do. The tenant is root on \
         this stage, so it has this one.",
    );
    let before = stage.hostnames(&[host, tenant])?;
    tenant.sethostname("tenant")?;
    let after = stage.hostnames(&[host, tenant])?;
    stage.compare("hostname", before, after.clone());
    stage.verify(
        &steps::INDEPENDENT,
        after["host"] == Value::Name(original.to_owned()) && after["tenant"] == Value::Name("tenant".into()),
        evidence!["the host is", after["host"], "and the tenant is", after["tenant"]],
    )?;
    stage.say(
        "Now both read the file /proc/sys/kernel/hostname. It has no stored content. When a process reads it, the \
         kernel looks up the hostname in the UTS namespace of that process.",
    );
    let host_reads = host.cat("/proc/sys/kernel/hostname")?;
    let tenant_reads = tenant.cat("/proc/sys/kernel/hostname")?;
    stage.verify(
        &steps::PROC_SYS,
        host_reads == original && tenant_reads == "tenant",
        evidence!["one path, two answers:", host_reads, "and", tenant_reads],
    )?;
    stage.answer(format!("{host_reads}, {tenant_reads}"))
}

/// The second name is the namespace's own, and the kernel's release is not.
fn what_is_in_there(stage: &Stage, tenant: &Actor, original: &str) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::WHAT_IS_IN_THERE)?;
    stage.say(
        "The tenant now sets its second name, the NIS domain name. The host's should stay as it is, as its hostname did.",
    );
    tenant.setdomainname("tenants.example")?;
    let tenant_domain = tenant.getdomainname()?;
    let host_domain = host.getdomainname()?;
    stage.verify(
        &steps::DOMAIN_NAME,
        tenant_domain == "tenants.example" && host_domain == DOMAIN,
        evidence!["the tenant has", tenant_domain, "and the host", host_domain],
    )?;
    stage.say(
        "The functions gethostname() and getdomainname() take their answers from the system call uname(2). It also \
         tells the release of the kernel, such as 6.1.0. The tenant has names of its own, but it has no kernel of its \
         own: ordinary containers run on the machine's kernel. A virtual machine is different. It boots a kernel of \
         its own.",
    );
    let names = [host.gethostname()?, tenant.gethostname()?];
    let [host_kernel, tenant_kernel] = [host.uname_release()?, tenant.uname_release()?];
    stage.verify(
        &steps::NOT_THE_KERNEL,
        names == [original, "tenant"] && host_kernel == tenant_kernel,
        evidence![&names[0], "runs on", host_kernel, "and", &names[1], "runs on", tenant_kernel],
    )?;
    Ok(())
}

/// How long a name may be; then the tenant goes back to where it was born.
fn the_way_back(stage: &Stage, tenant: &Actor, way_back: Fd, original: &str, shared: NamespaceId) -> Result<()> {
    stage.step(&steps::THE_WAY_BACK)?;
    stage.say(
        "The tenant still has the file descriptor from step 2, which stands for the host's UTS namespace. The system \
         call setns(2) moves its caller into the namespace that a file descriptor stands for. Like sethostname(2), it \
         takes CAP_SYS_ADMIN, which the tenant has. Before the tenant goes back, it sets its hostname once more: the \
         letter n, 64 times.",
    );
    stage.ask()?;
    stage.say(
        "First the tenant tries how long a name may be: 64 letters of one byte each, and then 65. A call that is \
         refused answers -1, and an error says why. EINVAL means \"Invalid argument\".",
    );
    let fits = tenant.sethostname(&"n".repeat(64)).refusal()?;
    let too_long = tenant.sethostname(&"n".repeat(65)).refusal()?;
    stage.verify(
        &steps::BYTES_64,
        fits.is_none() && too_long == Some(Errno::EINVAL),
        evidence!["64 bytes:", fits, "and 65 bytes:", too_long],
    )?;
    stage.say(
        "When the tenant has left, nobody is in this namespace. The kernel could remove it, and give its number to the \
         one of step 6. An open file descriptor prevents that. So the tenant opens one for it, and then goes back.",
    );
    // Without it, the number may come back in step 6, and with it the letter.
    tenant.remark("it stands for the one with the long name").open_namespace("/proc/self/ns/uts")?;
    tenant.remark("by the descriptor from step 2").setns(way_back, CLONE_NEWUTS)?;
    let old_again = tenant.gethostname()?;
    let back_in = tenant.readlink_ns("uts")?;
    stage.verify(
        &steps::SETNS_BACK,
        back_in == shared && old_again == original,
        evidence!["back in", back_in, "with the name", old_again],
    )?;
    stage.answer(old_again)
}

/// What root of a user namespace may do to a UTS namespace of another one.
fn root_of_what(stage: &Stage, tenant: &Actor, original: &str) -> Result<()> {
    let host = stage.host();
    stage.say(
        "One type of namespace is about what a process is allowed to do: the user namespace. Every namespace of another \
         type is owned by a user namespace: the one that its maker is in. (If one call makes both, the new user namespace \
         is the owner.) The host's UTS namespace is owned by the \
         host's user namespace.",
    );
    stage.say(
        "A process needs no capability to make a user namespace, unless the administrator has restricted that. In the \
         new one it gets every capability, and it can become user 0 there, which is root. The tenant does that, and \
         makes no UTS namespace yet.",
    );
    stage.ask()?;
    stage.say(
        "sethostname(2) takes CAP_SYS_ADMIN in the user namespace that owns the caller's UTS namespace. (setns(2) takes \
         it in the owner of the namespace to join, and in the caller's own user namespace.) By unshare(2), the tenant \
         gets every capability in its new user namespace, and has none left in the host's.",
    );
    stage.say(
        "Then it writes three files, which make it user 0 and group 0 there. In two of them, \"0 0 1\" says: number 0 in \
         there is number 0 outside, for 1 number. The error EPERM means \"Operation not permitted\".",
    );
    tenant.unshare(CLONE_NEWUSER)?;
    tenant.remark("no setgroups(2) in there: else the kernel would refuse the gid_map").map_root()?;
    let refused = tenant.sethostname("mine").refusal()?;
    let host_name = host.gethostname()?;
    stage.answer(match refused {
        Some(_) => "nobody",
        None if host_name == original => "the tenant",
        None => "both",
    })?;
    stage.say(
        "Now the tenant makes a UTS namespace as well. That one is owned by the user namespace that the tenant is in. \
         So the same call is allowed.",
    );
    tenant.unshare(CLONE_NEWUTS)?;
    let allowed = tenant.sethostname("mine").refusal()?;
    let own_name = tenant.gethostname()?;
    stage.verify(
        &steps::CAP_OVER_OWNER,
        refused == Some(Errno::EPERM) && host_name == original && allowed.is_none() && own_name == "mine",
        evidence!["sethostname() in the host's UTS namespace:", refused, "and in the tenant's own:", allowed],
    )?;
    stage.say(
        "For this reason the commands by hand make a user namespace together with the UTS namespace. The user \
         namespace owns the UTS namespace, so its root may set the name. (\"You must be root\" is what the tool hostname \
         says when the kernel answers EPERM.)",
    );
    Ok(())
}
