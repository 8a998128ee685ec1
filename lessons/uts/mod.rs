//! UTS namespaces: one machine, two names.

mod steps;

use nix::errno::Errno;

use crate::actors::Actor;
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
    question: "Can one kernel answer to two names at the same moment?",
    man: &["uts_namespaces(7)", "unshare(2)", "sethostname(2)", "setns(2)"],
    steps: &[
        &steps::SHARED_NAME,
        &steps::MOVES_OUT,
        &steps::TWO_NAMES,
        &steps::WHAT_IS_IN_THERE,
        &steps::THE_WAY_BACK,
        &steps::ROOT_OF_WHAT,
    ],
    play,
};

// ANCHOR: first-step
fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();

    stage.step(&steps::SHARED_NAME)?;
    stage.say(
        "A hostname looks like a property of the machine. It is not. It belongs to a UTS namespace, and every process \
         is in one. The host forks a tenant; a child starts out in the namespaces of its parent, so both read the \
         same name.",
    );
    let tenant = host.fork("tenant")?;
    let original = host.gethostname()?;
    tenant.gethostname()?;
    stage.say("The kernel shows which namespace a process is in: a link in /proc, with a number that stands for it.");
    let shared = host.readlink_ns("uts")?;
    tenant.remark("the same number: the same namespace").readlink_ns("uts")?;
    // ANCHOR_END: first-step

    let own_name = [&steps::MOVES_OUT, &steps::TWO_NAMES, &steps::WHAT_IS_IN_THERE, &steps::THE_WAY_BACK];
    stage.part(&own_name, || a_name_of_its_own(stage, &tenant, &original, shared))?;

    stage.step(&steps::ROOT_OF_WHAT)?;
    stage.or_skip(steps::ROOT_OF_WHAT.facts, || root_of_what(stage, &tenant, &original))?;
    Ok(())
}

/// The tenant moves into a UTS namespace of its own, and back again.
fn a_name_of_its_own(stage: &Stage, tenant: &Actor, original: &str, shared: NamespaceId) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::MOVES_OUT)?;
    stage.ask()?;
    stage.say(
        "unshare(2) moves the process that calls it into a new namespace. A new UTS namespace is not blank: it starts \
         as a copy of the old one. So a program that moves finds everything as it was, until somebody changes it.",
    );
    let way_back = tenant.remark("a handle on the old one, for later").open_namespace("/proc/self/ns/uts")?;
    let domain = host.getdomainname()?;
    tenant.unshare(CLONE_NEWUTS)?;
    let own = tenant.remark("a new number: a new namespace").readlink_ns("uts")?;
    let copied = tenant.remark("and still the old name").gethostname()?;
    let copied_domain = tenant.getdomainname()?;
    stage.verify(
        &steps::COPIED,
        own != shared && copied == original && copied_domain == domain,
        evidence![own, "has", copied, "and", copied_domain, "as", shared, "has"],
    )?;
    stage.answer(copied)?;
    stage.who_is_where(&[host, tenant])?;
    stage.say("Only the row uts differs: of eight namespaces, the tenant left one.");

    stage.step(&steps::TWO_NAMES)?;
    stage.ask()?;
    stage.say("Now the tenant takes a name of its own. It is root on this stage, and root may call sethostname(2).");
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
        "The same file tells each of them something else: /proc/sys/kernel/hostname has no content of its own, it \
         answers for the namespace of whoever reads it.",
    );
    let host_reads = host.cat("/proc/sys/kernel/hostname")?;
    let tenant_reads = tenant.cat("/proc/sys/kernel/hostname")?;
    stage.verify(
        &steps::PROC_SYS,
        host_reads == original && tenant_reads == "tenant",
        evidence!["one path, two answers:", host_reads, "and", tenant_reads],
    )?;
    stage.answer(format!("{host_reads}, {tenant_reads}"))?;

    stage.step(&steps::WHAT_IS_IN_THERE)?;
    stage.say(
        "A UTS namespace holds two names. The second is the NIS domain name, a relic of networks of the 1980s that is \
         isolated just as well.",
    );
    tenant.setdomainname("tenants.example")?;
    let tenant_domain = tenant.getdomainname()?;
    let host_domain = host.getdomainname()?;
    stage.verify(
        &steps::DOMAIN_NAME,
        tenant_domain == "tenants.example" && host_domain == domain,
        evidence!["the tenant has", tenant_domain, "and the host", host_domain],
    )?;
    stage.say(
        "The names come from uname(2), which tells the kernel's release too. That is not isolated: all namespaces are \
         run by one and the same kernel. This is what separates a container from a virtual machine.",
    );
    let host_kernel = host.uname_release()?;
    let tenant_kernel = tenant.uname_release()?;
    stage.verify(
        &steps::NOT_THE_KERNEL,
        host_kernel == tenant_kernel,
        evidence!["the host runs on", host_kernel, "and the tenant on", tenant_kernel],
    )?;

    stage.step(&steps::THE_WAY_BACK)?;
    stage.ask()?;
    stage.say("A hostname has room for 64 bytes. One more, and the kernel refuses it rather than cut it.");
    let fits = tenant.sethostname(&"n".repeat(64)).refusal()?;
    let too_long = tenant.sethostname(&"n".repeat(65)).refusal()?;
    stage.verify(
        &steps::BYTES_64,
        fits.is_none() && too_long == Some(Errno::EINVAL),
        evidence!["64:", fits, "and 65:", too_long],
    )?;
    stage.say(
        "The tenant kept a handle on its old namespace, so it can go back: setns(2) joins a namespace that exists. \
         Its old name is there, untouched.",
    );
    tenant.setns(way_back, CLONE_NEWUTS)?;
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
    stage.ask()?;
    stage.say(
        "Every namespace is owned by a user namespace. The tenant makes a user namespace for itself and becomes root \
         in it, with every capability there is. But the UTS namespace that it is in belongs to the host, and over \
         that its new capabilities have no power.",
    );
    tenant.unshare(CLONE_NEWUSER)?;
    tenant.map_root()?;
    let refused = tenant.sethostname("mine").refusal()?;
    let host_name = host.gethostname()?;
    stage.verify(
        &steps::CAP_OVER_OWNER,
        refused == Some(Errno::EPERM) && host_name == original,
        evidence!["sethostname:", refused, "and the host is", host_name],
    )?;
    stage.answer(match refused {
        Some(_) => "nobody",
        None if host_name == original => "the tenant",
        None => "both",
    })?;
    stage.say(
        "That is why the commands by hand say --user together with --uts: then the new user namespace owns the new \
         UTS namespace, and its root may name it.",
    );
    Ok(())
}
