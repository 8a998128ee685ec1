//! UTS namespaces: one machine, two names.

use nix::errno::Errno;

use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::lessons::notes;
use crate::stage::{Actor, CLONE_NEWUSER, CLONE_NEWUTS, Effect, Stage};
use crate::transcript::{NamespaceId, Value};

/// The lesson's card.
pub(super) const LESSON: Lesson = Lesson {
    id: "uts",
    title: "UTS namespaces",
    subtitle: "one machine, two names",
    question: "Can one kernel answer to two names at the same moment?",
    minutes: 8,
    steps: 6,
    needs: &[
        (Effect::Uts, OF_ITS_OWN),
        (Effect::Setns, &["uts-setns-back"]),
        (Effect::NestedUser, &["uts-cap-over-owner"]),
    ],
    man: &["uts_namespaces(7)", "unshare(2)", "sethostname(2)", "setns(2)"],
    facts: &[
        "uts-copied",
        "uts-independent",
        "uts-domainname",
        "uts-proc-sys",
        "uts-not-kernel",
        "uts-64-bytes",
        "uts-setns-back",
        "uts-cap-over-owner",
    ],
    notes: notes::uts::NOTES,
    play,
};

/// The facts that take a UTS namespace besides the host's.
const OF_ITS_OWN: &[&str] = &[
    "uts-copied",
    "uts-independent",
    "uts-domainname",
    "uts-proc-sys",
    "uts-not-kernel",
    "uts-64-bytes",
    "uts-setns-back",
];

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();
    stage.has_steps(LESSON.steps);

    stage.step("The name that everybody shares");
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
    tenant.note("the same number: the same namespace").readlink_ns("uts")?;
    stage.by_hand("hostname; readlink /proc/self/ns/uts");

    stage.or_skip_steps(5, OF_ITS_OWN, || a_name_of_its_own(stage, &tenant, &original, shared))?;

    stage.step("Root, but over what?");
    stage.or_skip(&["uts-cap-over-owner"], || root_of_what(stage, &tenant, &original))?;
    stage.by_hand("unshare --user --map-root-user sh -c 'hostname mine || echo refused'");
    Ok(())
}

/// The tenant moves into a UTS namespace of its own, and back again.
fn a_name_of_its_own(stage: &Stage, tenant: &Actor, original: &str, shared: NamespaceId) -> Result<()> {
    let host = stage.host();
    stage.step("The tenant moves out");
    let question = stage.ask(
        "uts-new-name",
        "The tenant moves into a new UTS namespace. What is its hostname there, before anybody sets one?",
        &["(none)", "localhost", "workshop"],
    );
    stage.say(
        "unshare(2) moves the process that calls it into a new namespace. A new UTS namespace is not blank: it starts \
         as a copy of the old one. So a program that moves finds everything as it was, until somebody changes it.",
    );
    let way_back = tenant.note("a handle on the old one, for later").open_namespace("/proc/self/ns/uts")?;
    let domain = host.getdomainname()?;
    tenant.unshare(CLONE_NEWUTS)?;
    let own = tenant.note("a new number: a new namespace").readlink_ns("uts")?;
    let copied = tenant.note("and still the old name").gethostname()?;
    let copied_domain = tenant.getdomainname()?;
    stage.verify(
        "uts-copied",
        "A new UTS namespace starts with a copy of both names.",
        own != shared && copied == original && copied_domain == domain,
        evidence![own, "has", copied, "and", copied_domain, "as", shared, "has"],
    );
    stage.answer(
        question,
        &[copied == "(none)", copied == "localhost", copied == original],
        "New does not mean empty: a UTS namespace begins as a copy of the one that its maker was in.",
    );
    stage.who_is_where(&[host, tenant])?;
    stage.say("Only the row uts differs: of eight namespaces, the tenant left one.");
    stage.by_hand("unshare --user --map-root-user --uts sh -c 'hostname; readlink /proc/self/ns/uts'");

    stage.step("Two names at once");
    let question = stage.ask(
        "uts-one-file",
        "The tenant takes a name of its own. Then host and tenant read the same file, /proc/sys/kernel/hostname. What do \
         they read?",
        &["both the old name: the host mounted /proc", "each its own name", "both the new name: it was set last"],
    );
    stage.say("Now the tenant takes a name of its own. It is root on this stage, and root may call sethostname(2).");
    let before = stage.hostnames(&[host, tenant])?;
    tenant.sethostname("tenant")?;
    let after = stage.hostnames(&[host, tenant])?;
    stage.compare("hostname", before, after.clone());
    stage.verify(
        "uts-independent",
        "A name that is set in one UTS namespace does not show in another.",
        after["host"] == Value::Name(original.to_owned()) && after["tenant"] == Value::Name("tenant".into()),
        evidence!["the host is", after["host"], "and the tenant is", after["tenant"]],
    );
    stage.say(
        "The same file tells each of them something else: /proc/sys/kernel/hostname has no content of its own, it \
         answers for the namespace of whoever reads it.",
    );
    let host_reads = host.cat("/proc/sys/kernel/hostname")?;
    let tenant_reads = tenant.cat("/proc/sys/kernel/hostname")?;
    stage.verify(
        "uts-proc-sys",
        "/proc/sys/kernel/hostname shows the name in the reader's own namespace.",
        host_reads == original && tenant_reads == "tenant",
        evidence!["one path, two answers:", host_reads, "and", tenant_reads],
    );
    stage.answer(
        question,
        &[
            host_reads == original && tenant_reads == original,
            host_reads == original && tenant_reads == "tenant",
            host_reads == "tenant" && tenant_reads == "tenant",
        ],
        "To read this file is to ask the kernel, and its answer depends on who asks.",
    );
    stage.by_hand("unshare --user --map-root-user --uts sh -c 'hostname tenant; hostname'; hostname");
    stage.by_hand_with_docker("docker run --rm --hostname tenant alpine hostname");

    stage.step("What else is in there, and what is not");
    stage.say(
        "A UTS namespace holds two names. The second is the NIS domain name, a relic of networks of the 1980s that is \
         isolated just as well.",
    );
    tenant.setdomainname("tenants.example")?;
    let tenant_domain = tenant.getdomainname()?;
    let host_domain = host.getdomainname()?;
    stage.verify(
        "uts-domainname",
        "The NIS domain name is isolated as well.",
        tenant_domain == "tenants.example" && host_domain == domain,
        evidence!["the tenant has", tenant_domain, "and the host", host_domain],
    );
    stage.say(
        "The names come from uname(2), which tells the kernel's release too. That is not isolated: all namespaces are \
         run by one and the same kernel. This is what separates a container from a virtual machine.",
    );
    let host_kernel = host.uname_release()?;
    let tenant_kernel = tenant.uname_release()?;
    stage.verify(
        "uts-not-kernel",
        "The kernel's release is the same in every UTS namespace.",
        host_kernel == tenant_kernel,
        evidence!["the host runs on", host_kernel, "and the tenant on", tenant_kernel],
    );
    stage.by_hand("uname -r; unshare --user --map-root-user --uts uname -r");

    stage.step("How long a name may be, and the way back");
    let question = stage.ask(
        "uts-way-back",
        "The tenant sets another name, and goes back to its old namespace after that. What is it called there?",
        &[
            "workshop, as it was before",
            "what it set last: it takes its name along",
            "tenant, the name that it took first",
        ],
    );
    stage.say("A hostname has room for 64 bytes. One more, and the kernel refuses it rather than cut it.");
    let longest = "n".repeat(64);
    let fits = tenant.sethostname(&longest).refusal()?;
    let too_long = tenant.sethostname(&"n".repeat(65)).refusal()?;
    stage.verify(
        "uts-64-bytes",
        "64 bytes are accepted, 65 are EINVAL.",
        fits.is_none() && too_long == Some(Errno::EINVAL),
        evidence!["64:", fits, "and 65:", too_long],
    );
    stage.say(
        "The tenant kept a handle on its old namespace, so it can go back: setns(2) joins a namespace that exists. \
         Its old name is there, untouched.",
    );
    tenant.setns(way_back, CLONE_NEWUTS)?;
    let old_again = tenant.gethostname()?;
    let back_in = tenant.readlink_ns("uts")?;
    stage.verify(
        "uts-setns-back",
        "An open file descriptor on the old namespace brings the old name back.",
        back_in == shared && old_again == original,
        evidence!["back in", back_in, "with the name", old_again],
    );
    stage.answer(
        question,
        &[old_again == original, old_again == longest, old_again == "tenant"],
        "A name belongs to a namespace, and not to the process that set it.",
    );
    stage.by_hand(
        "unshare --user --map-root-user --uts sh -c \
         'hostname \"$(printf %64s x | tr \" \" n)\" && hostname | wc --bytes'",
    );

    Ok(())
}

/// What root of a user namespace may do to a UTS namespace of another one.
fn root_of_what(stage: &Stage, tenant: &Actor, original: &str) -> Result<()> {
    let host = stage.host();
    let question = stage.ask(
        "uts-root",
        "The tenant, in the host's UTS namespace again, makes a user namespace: there it is root, with every capability. \
         It calls sethostname(\"mine\"). Who has this name then?",
        &["the tenant and the host", "the tenant alone", "nobody: the call is refused"],
    );
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
        "uts-cap-over-owner",
        "Root of a user namespace cannot rename a UTS namespace that another one owns.",
        refused == Some(Errno::EPERM) && host_name == original,
        evidence!["sethostname:", refused, "and the host is", host_name],
    );
    stage.answer(
        question,
        &[
            refused.is_none() && host_name == "mine",
            refused.is_none() && host_name == original,
            refused.is_some() && host_name == original,
        ],
        "What counts is a capability in the user namespace that owns the UTS namespace, and this one is the host's.",
    );
    stage.say(
        "That is why the commands by hand say --user together with --uts: then the new user namespace owns the new \
         UTS namespace, and its root may name it.",
    );
    Ok(())
}
