//! `nslearn doctor --apparmor-profile`: a profile that lets this one program use user namespaces where AppArmor keeps them
//! from programs that have none, as on Ubuntu since 23.10: apparmor.d(5).

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{complain, status};
use crate::args;
use crate::diagnosis::advise;
use crate::error::CallResult;

/// Where the kernel says which file a process runs: proc(5).
const EXE: &str = "/proc/self/exe";

pub(super) fn run() -> io::Result<u8> {
    match own_file() {
        Ok(file) => {
            io::stdout().write_all(profile(&file).as_bytes())?;
            Ok(0)
        }
        Err((reason, remedy)) => {
            complain(&format!(
                "nslearn: a profile needs the program's path, and that is not known\n  {reason}\n  what to do: {remedy}"
            ));
            Ok(status::FAILED)
        }
    }
}

/// The file of this program; if it cannot be told, why, and what to do.
fn own_file() -> Result<PathBuf, (String, String)> {
    let told = fs::read_link(EXE).or_refused("readlink", args![EXE]);
    let file = told.map_err(|error| advise(&error)).map_err(|advice| (advice.reason, advice.remedy))?;
    let identity = |path: &Path| fs::metadata(path).map(|seen| (seen.dev(), seen.ino())).ok();
    // Where it was replaced or removed since the start, the kernel's words lead to another file or to none.
    match identity(&file) {
        Some(identity_there) if Some(identity_there) == identity(Path::new(EXE)) => Ok(file),
        _ => Err((
            format!("readlink({EXE}) = {}: this program is not there any more", quoted(&file)),
            "start nslearn again, from where it is now".to_owned(),
        )),
    }
}

/// The profile, with what there is to know of it as comments. All of it is ASCII, whatever the path.
fn profile(file: &Path) -> String {
    let path = quoted(file);
    let guard = match open_to_others(file) {
        None => "# Only root can write there.\n".to_owned(),
        Some(place) => format!(
            "# CAUTION: not only root can write to\n\
             #   {}\n\
             # so others can give this right to any program. Put nslearn where only root can write:\n\
             #   sudo install --mode=755 nslearn /usr/local/bin/nslearn\n\
             # and print the profile again, with /usr/local/bin/nslearn.\n",
            quoted(&place)
        ),
    };
    format!(
        "# This AppArmor profile lets one program use user namespaces, and forbids it\n\
         # nothing. It is for AppArmor 4 and later (Ubuntu 23.10 and later), which can\n\
         # keep them from programs without a profile. The program:\n\
         #   {path}\n\
         #\n\
         # Install:  nslearn doctor --apparmor-profile | sudo tee /etc/apparmor.d/nslearn\n\
         #           sudo apparmor_parser -r /etc/apparmor.d/nslearn\n\
         # Remove:   sudo apparmor_parser -R /etc/apparmor.d/nslearn\n\
         #           sudo rm /etc/apparmor.d/nslearn\n\
         #\n\
         # The risk: everybody who may run this program can start any other program\n\
         # from it (nslearn shell). That one then reaches parts of the kernel that only\n\
         # root could reach before, and the bugs in them. All other programs stay\n\
         # restricted.\n\
         #\n\
         # AppArmor looks at the path alone: an update at the same path keeps the right,\n\
         # and a copy at another path does not have it.\n\
         {guard}\
         abi <abi/4.0>,\n\
         include <tunables/global>\n\
         \n\
         profile nslearn {path} flags=(unconfined) {{\n  \
           userns,\n\
         \n  \
           include if exists <local/nslearn>\n\
         }}\n"
    )
}

/// A path as AppArmor reads it, and matches it alone: in quotes, with a backslash before each character that would mean
/// something, and with the number of each byte that is not to be printed.
fn quoted(path: &Path) -> String {
    let mut quoted = String::from("\"");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' | b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b'^' => {
                quoted.push('\\');
                quoted.push(char::from(*byte));
            }
            b' '..=b'~' => quoted.push(char::from(*byte)),
            // To write into a String never fails.
            _ => drop(write!(quoted, "\\{byte:03o}")),
        }
    }
    quoted.push('"');
    quoted
}

/// The first of the file and the directories above it to which others than root can write, and so put another file there.
fn open_to_others(file: &Path) -> Option<PathBuf> {
    const BY_OTHERS: u32 = libc::S_IWGRP | libc::S_IWOTH;
    let is_open = |path: &&Path| {
        // Of what cannot be looked at, nothing good is known.
        fs::metadata(path).map_or(true, |seen| {
            // In a sticky directory one can make files, and replace nobody else's: inode(7).
            let is_sticky = seen.is_dir() && seen.mode() & libc::S_ISVTX != 0;
            seen.uid() != 0 || seen.mode() & BY_OTHERS != 0 && !is_sticky
        })
    };
    file.ancestors().filter(is_open).last().map(Path::to_owned)
}
