//! The steps of the lesson on UTS namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// Two processes, one name.
pub(super) static SHARED_NAME: Step = Step {
    title: "Two processes, one name",
    minutes: 2,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[ByHand::Shell {
        command: "hostname && readlink /proc/$$/ns/uts /proc/self/ns/uts | uniq -c",
        shows: "2 uts:[",
    }],
    note: Note {
        point: "A process reads the hostname of the UTS namespace that it is in. A new process starts in that of its \
                parent. The number in the link says which one it is, and the letter is short for the number.",
        ask: "How can you find out whether two processes share a hostname, without changing it? (Compare their links \
              /proc/PID/ns/uts. The same number is the same namespace, and so the same name. To read those of \
              other users' processes takes root.)",
        misunderstanding: "\"They print the same name, so they share it.\" Equal names prove nothing: in step 2, two \
                           namespaces have equal names. Equal numbers in the links prove it.",
    },
};

pub(super) static COPIED: Fact =
    Fact { id: "uts-copied", claim: "A new UTS namespace starts with a copy of both names." };

static NEW_NAME: Ask = Ask {
    id: "uts-new-name",
    text: "After unshare(2), the tenant is in a new UTS namespace, and nobody has set a hostname there yet. Which \
           hostname does the tenant read?",
    choices: &[("no name: it reads (none)", "(none)"), ("localhost", "localhost"), ("workshop", "workshop")],
    why: "A new UTS namespace starts as a copy of the one that its maker was in.",
};

/// The tenant leaves the host's namespace.
pub(super) static MOVES_OUT: Step = Step {
    title: "The tenant moves out",
    minutes: 2,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[&NEW_NAME],
    facts: &[&COPIED],
    by_hand: &[ByHand::Shell {
        command: "readlink /proc/self/ns/uts && \
             unshare --user --map-root-user --uts sh -c 'readlink /proc/self/ns/uts && hostname'",
        shows: "workshop",
    }],
    note: Note {
        point: "A new UTS namespace changes no name at first. What changes is the number in one link. From then on, \
                each side can set names that the other one does not see.",
        ask: "In how many of the eight rows will the tenant differ from the host? (In one. The flag CLONE_NEWUTS \
              stands for one type. For the seven others the process stays where it was.)",
        misunderstanding: "\"The copy follows the host's name.\" The copy is made once, by unshare(2). If one of the \
                           two names is changed later, the other one stays, as step 3 shows.",
    },
};

pub(super) static INDEPENDENT: Fact =
    Fact { id: "uts-independent", claim: "A hostname that is set in one UTS namespace is not seen in another one." };

pub(super) static PROC_SYS: Fact = Fact {
    id: "uts-proc-sys",
    claim: "/proc/sys/kernel/hostname shows the hostname of the reader's own UTS namespace.",
};

static ONE_FILE: Ask = Ask {
    id: "uts-one-file",
    text: "What do the host and the tenant read in /proc/sys/kernel/hostname, after the tenant has set its hostname?",
    choices: &[
        ("both read workshop: the file is the host's", "workshop, workshop"),
        ("each reads its own name", "workshop, tenant"),
        ("both read tenant: that was set last", "tenant, tenant"),
    ],
    why: "Each time somebody reads this file, the kernel looks up the hostname in the reader's UTS namespace.",
};

/// One kernel, two names.
pub(super) static SETS_A_NAME: Step = Step {
    title: "The tenant sets its hostname",
    minutes: 2,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[&ONE_FILE],
    facts: &[&INDEPENDENT, &PROC_SYS],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --uts sh -c \
             'hostname tenant && cat /proc/sys/kernel/hostname' && cat /proc/sys/kernel/hostname",
            shows: "workshop",
        },
        ByHand::Docker("docker run --rm --hostname tenant alpine hostname"),
    ],
    note: Note {
        point: "sethostname(2) sets the name of the caller's own UTS namespace. Processes in other ones do not notice. \
                So one kernel has two hostnames at the same time.",
        ask: "The command by hand reads the file once more, behind the quotes. Which name does it print then? \
              (The old one. The name tenant was set in a namespace that ended with the shell in the quotes.)",
        misunderstanding: "\"The tenant is root, so it could have renamed my machine.\" sethostname(2) has no argument \
                           that says whose name is meant. It sets the name of the caller's UTS namespace, and no \
                           process on the stage is in the machine's.",
    },
};

pub(super) static DOMAIN_NAME: Fact =
    Fact { id: "uts-domainname", claim: "Each UTS namespace has a NIS domain name of its own." };

pub(super) static NOT_THE_KERNEL: Fact =
    Fact { id: "uts-not-kernel", claim: "The kernel's release is the same in every UTS namespace." };

/// The other name, and what is no name.
pub(super) static WHAT_IS_IN_THERE: Step = Step {
    title: "What else is in there, and what is not",
    minutes: 2,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[],
    facts: &[&DOMAIN_NAME, &NOT_THE_KERNEL],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --uts sh -c 'hostname tenant && uname -nr' && uname -nr",
        shows: "workshop ",
    }],
    note: Note {
        point: "Two names in a UTS namespace can be set, and nothing else in it. The release that uname(2) tells is that \
                of the machine's kernel, which runs all ordinary containers.",
        ask: "A container is made from the image of another distribution. Which release does uname -r print in it? \
              (That of the machine's kernel. An image brings files, and no kernel that runs.)",
        misunderstanding: "\"The domain name is that of DNS.\" It is that of NIS, which is another service. Setting it \
                           changes nothing in DNS.",
    },
};

pub(super) static BYTES_64: Fact =
    Fact { id: "uts-64-bytes", claim: "A hostname may have 64 bytes. 65 are refused (EINVAL)." };

pub(super) static SETNS_BACK: Fact = Fact {
    id: "uts-setns-back",
    claim: "A process with CAP_SYS_ADMIN and a file descriptor of its old UTS namespace can go back to it.",
};

static WAY_BACK: Ask = Ask {
    id: "uts-way-back",
    text: "The tenant's hostname is the letter n, 64 times. Then the tenant moves back into the host's UTS namespace by \
           setns(2). Which hostname does the tenant read there?",
    choices: &[
        ("workshop, the host's name", "workshop"),
        ("64 times n: it takes its name along", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"),
        ("tenant, the first name that it set", "tenant"),
    ],
    why: "A hostname belongs to a namespace, and not to the process that set it.",
};

/// A bound, and setns(2).
pub(super) static THE_WAY_BACK: Step = Step {
    title: "How long a name may be, and the way back",
    minutes: 2,
    needs: &[Need::Of(Feature::Uts), Need::For(Feature::Setns, &[&SETNS_BACK])],
    asks: &[&WAY_BACK],
    facts: &[&BYTES_64, &SETNS_BACK],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --uts sh -c \
             'hostname $(printf %064d 0) && hostname && ! hostname $(printf %065d 0)'",
            shows: "name too long",
        },
        ByHand::Shell {
            command: "unshare --user --map-root-user --uts sh -c 'exec 3</proc/self/ns/uts && \
             unshare --uts sh -c \"hostname new && hostname && nsenter --uts=/proc/self/fd/3 hostname\"'",
            shows: "workshop",
        },
    ],
    note: Note {
        point: "sethostname(2) refuses a name that is too long. (A write to /proc/sys/kernel/hostname cuts it.) setns(2) \
                moves a process into a namespace that exists. It takes a file descriptor of that, and CAP_SYS_ADMIN in \
                two user namespaces: the owner of the target, and the caller's own.",
        ask: "The tenant's name has 64 letters now. Which name does the tenant read after setns(2)? (workshop. The long name \
              belongs to the namespace that the tenant has left.)",
        misunderstanding: "\"setns(2) undoes a change.\" It undoes nothing. The tenant moves into another namespace. In \
                           the one that it leaves, the long name is still set.",
    },
};

pub(super) static CAP_OVER_OWNER: Fact = Fact {
    id: "uts-cap-over-owner",
    claim: "Root of a new user namespace may not set the hostname in the host's UTS namespace, but may in one of its own.",
};

static WHO_HAS_IT: Ask = Ask {
    id: "uts-root",
    text: "The tenant is root of its own user namespace, and still in the host's UTS namespace. It calls \
           sethostname(\"mine\"). Who reads the name \"mine\" after that?",
    choices: &[
        ("the tenant and the host", "both"),
        ("the tenant alone", "the tenant"),
        ("nobody: the call is refused", "nobody"),
    ],
    why: "It takes CAP_SYS_ADMIN in the user namespace that owns the UTS namespace, and that is the host's.",
};

/// Capabilities are over something.
pub(super) static ROOT_OF_WHAT: Step = Step {
    title: "Root, but over what?",
    minutes: 2,
    needs: &[Need::Of(Feature::Uts), Need::Of(Feature::NestedUser)],
    asks: &[&WHO_HAS_IT],
    facts: &[&CAP_OVER_OWNER],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user sh -c \
             '! hostname mine && unshare --uts sh -c \"hostname mine && hostname\"'",
        shows: "you must be root",
    }],
    note: Note {
        point: "A process has a capability in a user namespace. To set a hostname takes CAP_SYS_ADMIN in the user \
                namespace that owns the UTS namespace. The same capability in a user namespace below that does not count.",
        ask: "In step 3 the tenant was allowed to set a name. Now it gets every capability in a user namespace of its \
              own. What has it lost by that? (Its capabilities in the host's user namespace. Those are what the kernel \
              asks for here: EPERM.)",
        misunderstanding: "\"Then root in a user namespace is not really root.\" It is, over all that this user \
                           namespace owns. When the tenant makes a UTS namespace in there, the same call succeeds.",
    },
};
