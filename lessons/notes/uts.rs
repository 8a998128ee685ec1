//! For the teacher: UTS namespaces.

use crate::lesson::Note;

/// A note for each step, in order.
pub(in crate::lessons) const NOTES: &[Note] = &[
    Note {
        title: "The name that everybody shares",
        minutes: 1,
        point: "A process has its hostname from the UTS namespace that it is in, and it is born into its parent's. \
                Which one that is, the number in the link says; the letter is short for the number.",
        ask: "How can one find out whether two processes share their hostname, without changing it? (By their links \
              /proc/PID/ns/uts: one number, one namespace, one name.)",
        misunderstanding: "\"They print the same name, so they share it.\" Equal names prove nothing: in step 2 there \
                           are two namespaces with equal names. Equal numbers in the links prove it.",
    },
    Note {
        title: "The tenant moves out",
        minutes: 1,
        point: "To move into a new UTS namespace changes no name at first. What changes is the number in one link, \
                and what may differ from now on.",
        ask: "In how many of the eight rows will the tenant differ from the host? (In one. The flag CLONE_NEWUTS \
              stands for one type, and the process stays where it was with the seven others.)",
        misunderstanding: "\"The copy follows the host's name.\" It was taken once, at unshare(2). If either name is \
                           changed later, the other is not, as step 3 shows.",
    },
    Note {
        title: "Two names at once",
        minutes: 2,
        point: "sethostname(2) writes into the caller's own UTS namespace, and whoever is in another one does not \
                notice. So one kernel has two names at the same time.",
        ask: "The command by hand ends with a second hostname, behind the quotes. Which name will that one print? \
              (The old one: the name tenant was set in a namespace that ended with its shell.)",
        misunderstanding: "\"The tenant is root, so it might have hit my machine's name.\" sethostname(2) has no \
                           argument for whose name it is: it means the caller's UTS namespace, and nobody on the \
                           stage is in the machine's.",
    },
    Note {
        title: "What else is in there, and what is not",
        minutes: 1,
        point: "A UTS namespace has two names that can be set, and no more. The release that uname(2) tells is that \
                of the one kernel which runs all containers of a machine.",
        ask: "A container is made from the image of another distribution. Which release will uname -r print in it? \
              (The one of the machine's kernel. An image brings files; it brings no kernel that runs.)",
        misunderstanding: "\"The domain name is that of DNS.\" It is that of NIS, which is another service. To set it \
                           changes nothing in DNS.",
    },
    Note {
        title: "How long a name may be, and the way back",
        minutes: 1,
        point: "What is too long is refused as a whole. And a namespace can be entered again by whoever has kept a \
                handle on it and has CAP_SYS_ADMIN: setns(2) joins, and makes nothing.",
        ask: "The tenant's name has 64 letters now. What will its name be after setns(2)? (workshop: the long name \
              belongs to the namespace, and stays behind there.)",
        misunderstanding: "\"setns(2) undoes what has been done.\" It takes no change back. The tenant goes over to \
                           another namespace, and the one that it leaves ends, because nothing holds that any more.",
    },
    Note {
        title: "Root, but over what?",
        minutes: 2,
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
];
