//! The steps of the lesson on UTS namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// Two processes, one name.
pub(super) static SHARED_NAME: Step = Step {
    title: "The name that everybody shares",
    minutes: 1,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[ByHand::Shell("hostname; readlink /proc/self/ns/uts")],
    note: Note {
        point: "A process has its hostname from the UTS namespace that it is in, and it is born into its parent's. \
                Which one that is, the number in the link says; the letter is short for the number.",
        ask: "How can one find out whether two processes share their hostname, without changing it? (By their links \
              /proc/PID/ns/uts: one number, one namespace, one name.)",
        misunderstanding: "\"They print the same name, so they share it.\" Equal names prove nothing: in step 2 there \
                           are two namespaces with equal names. Equal numbers in the links prove it.",
    },
};

pub(super) static COPIED: Fact =
    Fact { id: "uts-copied", claim: "A new UTS namespace starts with a copy of both names." };

static NEW_NAME: Ask = Ask {
    id: "uts-new-name",
    text: "The tenant moves into a new UTS namespace. What is its hostname there, before anybody sets one?",
    choices: &[("(none)", "(none)"), ("localhost", "localhost"), ("workshop", "workshop")],
    why: "New does not mean empty: a UTS namespace begins as a copy of the one that its maker was in.",
};

/// The tenant leaves the host's namespace.
pub(super) static MOVES_OUT: Step = Step {
    title: "The tenant moves out",
    minutes: 1,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[&NEW_NAME],
    facts: &[&COPIED],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --uts sh -c 'hostname; readlink /proc/self/ns/uts'")],
    note: Note {
        point: "To move into a new UTS namespace changes no name at first. What changes is the number in one link, \
                and what may differ from now on.",
        ask: "In how many of the eight rows will the tenant differ from the host? (In one. The flag CLONE_NEWUTS \
              stands for one type, and the process stays where it was with the seven others.)",
        misunderstanding: "\"The copy follows the host's name.\" It was taken once, at unshare(2). If either name is \
                           changed later, the other is not, as step 3 shows.",
    },
};

pub(super) static INDEPENDENT: Fact =
    Fact { id: "uts-independent", claim: "A name that is set in one UTS namespace does not show in another." };

pub(super) static PROC_SYS: Fact =
    Fact { id: "uts-proc-sys", claim: "/proc/sys/kernel/hostname shows the name in the reader's own namespace." };

static ONE_FILE: Ask = Ask {
    id: "uts-one-file",
    text: "The tenant takes a name of its own. Then host and tenant read the same file, /proc/sys/kernel/hostname. What do \
           they read?",
    choices: &[
        ("both the old name: the host mounted /proc", "workshop, workshop"),
        ("each its own name", "workshop, tenant"),
        ("both the new name: it was set last", "tenant, tenant"),
    ],
    why: "To read this file is to ask the kernel, and its answer depends on who asks.",
};

/// One kernel, two names.
pub(super) static TWO_NAMES: Step = Step {
    title: "Two names at once",
    minutes: 2,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[&ONE_FILE],
    facts: &[&INDEPENDENT, &PROC_SYS],
    by_hand: &[
        ByHand::Shell("unshare --user --map-root-user --uts sh -c 'hostname tenant; hostname'; hostname"),
        ByHand::Docker("docker run --rm --hostname tenant alpine hostname"),
    ],
    note: Note {
        point: "sethostname(2) writes into the caller's own UTS namespace, and whoever is in another one does not \
                notice. So one kernel has two names at the same time.",
        ask: "The command by hand ends with a second hostname, behind the quotes. Which name will that one print? \
              (The old one: the name tenant was set in a namespace that ended with its shell.)",
        misunderstanding: "\"The tenant is root, so it might have hit my machine's name.\" sethostname(2) has no \
                           argument for whose name it is: it means the caller's UTS namespace, and nobody on the \
                           stage is in the machine's.",
    },
};

pub(super) static DOMAIN_NAME: Fact = Fact { id: "uts-domainname", claim: "The NIS domain name is isolated as well." };

pub(super) static NOT_THE_KERNEL: Fact =
    Fact { id: "uts-not-kernel", claim: "The kernel's release is the same in every UTS namespace." };

/// The other name, and what is no name.
pub(super) static WHAT_IS_IN_THERE: Step = Step {
    title: "What else is in there, and what is not",
    minutes: 1,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[],
    facts: &[&DOMAIN_NAME, &NOT_THE_KERNEL],
    by_hand: &[ByHand::Shell("uname -r; unshare --user --map-root-user --uts uname -r")],
    note: Note {
        point: "A UTS namespace has two names that can be set, and no more. The release that uname(2) tells is that \
                of the one kernel which runs all containers of a machine.",
        ask: "A container is made from the image of another distribution. Which release will uname -r print in it? \
              (The one of the machine's kernel. An image brings files; it brings no kernel that runs.)",
        misunderstanding: "\"The domain name is that of DNS.\" It is that of NIS, which is another service. To set it \
                           changes nothing in DNS.",
    },
};

pub(super) static BYTES_64: Fact = Fact { id: "uts-64-bytes", claim: "64 bytes are accepted, 65 are EINVAL." };

pub(super) static SETNS_BACK: Fact =
    Fact { id: "uts-setns-back", claim: "An open file descriptor on the old namespace brings the old name back." };

static WAY_BACK: Ask = Ask {
    id: "uts-way-back",
    text: "The tenant sets another name, and goes back to its old namespace after that. What is it called there?",
    choices: &[
        ("workshop, as it was before", "workshop"),
        (
            "what it set last: it takes its name along",
            "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        ),
        ("tenant, the name that it took first", "tenant"),
    ],
    why: "A name belongs to a namespace, and not to the process that set it.",
};

/// A bound, and setns(2).
pub(super) static THE_WAY_BACK: Step = Step {
    title: "How long a name may be, and the way back",
    minutes: 1,
    needs: &[Need::Of(Feature::Uts), Need::For(Feature::Setns, &[&SETNS_BACK])],
    asks: &[&WAY_BACK],
    facts: &[&BYTES_64, &SETNS_BACK],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --uts sh -c \
             'hostname \"$(printf %64s x | tr \" \" n)\" && hostname | wc --bytes'",
    )],
    note: Note {
        point: "What is too long is refused as a whole. And a namespace can be entered again by whoever has kept a \
                handle on it and has CAP_SYS_ADMIN: setns(2) joins, and makes nothing.",
        ask: "The tenant's name has 64 letters now. What will its name be after setns(2)? (workshop: the long name \
              belongs to the namespace, and stays behind there.)",
        misunderstanding: "\"setns(2) undoes what has been done.\" It takes no change back. The tenant goes over to \
                           another namespace, and the one that it leaves ends, because nothing holds that any more.",
    },
};

pub(super) static CAP_OVER_OWNER: Fact = Fact {
    id: "uts-cap-over-owner",
    claim: "Root of a user namespace cannot rename a UTS namespace that another one owns.",
};

static WHO_HAS_IT: Ask = Ask {
    id: "uts-root",
    text: "The tenant, in the host's UTS namespace again, makes a user namespace: there it is root, with every capability. \
           It calls sethostname(\"mine\"). Who has this name then?",
    choices: &[
        ("the tenant and the host", "both"),
        ("the tenant alone", "the tenant"),
        ("nobody: the call is refused", "nobody"),
    ],
    why: "What counts is a capability in the user namespace that owns the UTS namespace, and this one is the host's.",
};

/// Capabilities are over something.
pub(super) static ROOT_OF_WHAT: Step = Step {
    title: "Root, but over what?",
    minutes: 2,
    needs: &[Need::Of(Feature::NestedUser)],
    asks: &[&WHO_HAS_IT],
    facts: &[&CAP_OVER_OWNER],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user sh -c 'hostname mine || echo refused'")],
    note: Note {
        point: "To have a capability means to have it over something. To set the name of a UTS namespace takes \
                CAP_SYS_ADMIN over the user namespace that owns it, and one in a user namespace below that does not \
                count.",
        ask: "In step 3 the tenant was allowed to call sethostname(2). Now it gets every capability in a user \
              namespace of its own. What has it lost by that? (Its capabilities in the host's user namespace, and \
              those are what counts here: EPERM.)",
        misunderstanding: "\"Then root in a user namespace is a sham.\" Its power is real over all that this user \
                           namespace owns. With --user and --uts together it owns the UTS namespace, and the same \
                           call succeeds.",
    },
};
