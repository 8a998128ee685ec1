//! Sockets: tcp(7), unix(7), icmp(7), and the little HTTP that a web server and its client speak.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::{Deserialize, Serialize};

use crate::actors::{Actor, Fd, Process, Zero};
use crate::args;
use crate::error::{About, CallResult, Error, Result, retried};
use crate::observe::kernel_file::{self, labelled, lines, number, shown};
use crate::observe::{Listener, sockets};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWNET, CLONE_NEWNS, Look, Object, Value};

/// How long to wait for an answer from the other end of a cable, in seconds.
const PATIENCE: i64 = 5;

impl Actor {
    /// Listens on a TCP port of the actor's network namespace: bind(2) and listen(2).
    ///
    /// # Errors
    /// `EADDRINUSE` where somebody listens there already.
    pub(crate) fn listen(&self, port: u16) -> Result<Fd> {
        self.change(CLONE_NEWNET, "bind", port, |me, port| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map(OwnedFd::from).map(Zero);
            let listener = listener.answer_to("bind")?;
            let Zero(listener) = me.called("bind", vec![Value::Text(format!("0.0.0.0:{port}"))], listener)?;
            Ok(me.keep(listener))
        })
    }

    /// Connects to a TCP port: connect(2).
    ///
    /// # Errors
    /// `ENETUNREACH` without a route; `ECONNREFUSED` where nobody listens.
    pub(crate) fn connect(&self, address: Ipv4Addr, port: u16) -> Result<()> {
        self.run((address, port), |me, (address, port)| {
            let connected = TcpStream::connect((address, port)).map(drop).answer_to("connect")?;
            me.called("connect", vec![Value::Text(format!("{address}:{port}"))], connected)
        })
    }

    /// Begins to answer HTTP requests on a listening socket that the actor holds, for good.
    ///
    /// # Errors
    /// Where the actor is gone.
    pub(crate) fn begin_http_server(&self, listener: Fd, page: &str) -> Result<()> {
        self.begin((listener, page.to_owned()), |me, (listener, page)| serve(me, listener, &page))?;
        self.hear()
    }

    /// Fetches a page, as `curl -s http://ADDRESS/` does, and tells of the connection.
    ///
    /// # Errors
    /// As [`Actor::connect`].
    pub(crate) fn http_get(&self, address: Ipv4Addr) -> Result<Vec<String>> {
        self.run(address, |me, address| {
            let stream = TcpStream::connect((address, 80)).map(Zero).answer_to("connect")?;
            let Zero(stream) = me.called("connect", vec![Value::Text(format!("{address}:80"))], stream)?;
            get(stream, address).or_refused("recv", args![format!("the page of {address}")])
        })
    }

    /// Listens on a Unix socket at a path, or, where the name begins with `@`, on an abstract one: unix(7).
    ///
    /// # Errors
    /// `EADDRINUSE` where the name is taken.
    pub(crate) fn listen_unix(&self, name: &str) -> Result<Fd> {
        self.change(CLONE_NEWNS | CLONE_NEWNET, "bind", name.to_owned(), |me, name| {
            let listener = unix_address(&name).and_then(|address| UnixListener::bind_addr(&address));
            let listener = listener.map(OwnedFd::from).map(Zero).answer_to("bind")?;
            let Zero(listener) = me.called("bind", vec![Value::Text(name)], listener)?;
            Ok(me.keep(listener))
        })
    }

    /// Closes a file descriptor that the actor holds, without a word about it: close(2).
    ///
    /// # Errors
    /// Where the actor is gone.
    pub(crate) fn close(&self, fd: Fd) -> Result<()> {
        self.run(fd, |me, fd| {
            me.close(fd);
            Ok(())
        })
    }

    /// Connects to a Unix socket; see [`Actor::listen_unix`].
    ///
    /// # Errors
    /// `ECONNREFUSED` where nobody listens under that name.
    pub(crate) fn connect_unix(&self, name: &str) -> Result<()> {
        self.run(name.to_owned(), |me, name| {
            let connect = || unix_address(&name).and_then(|address| UnixStream::connect_addr(&address)).map(drop);
            let connected = retried(connect).answer_to("connect")?;
            me.called("connect", vec![Value::Text(name)], connected)
        })
    }

    /// Opens a mailbox at a path: a datagram socket that wants to know who writes (`SO_PASSCRED` in unix(7)).
    ///
    /// # Errors
    /// Those of bind(2).
    pub(crate) fn open_mailbox(&self, path: &str) -> Result<Fd> {
        self.change(CLONE_NEWNS, "bind", path.to_owned(), |me, path| {
            let mailbox = UnixDatagram::bind(&path).or_refused("bind", args![path])?;
            setsockopt(&mailbox, sockopt::PassCred, &true).or_refused("setsockopt", args!["SO_PASSCRED"])?;
            Ok(me.keep(OwnedFd::from(mailbox)))
        })
    }

    /// Writes to a mailbox: sendto(2). The kernel adds who it is.
    ///
    /// # Errors
    /// Those of sendto(2).
    pub(crate) fn write_to_mailbox(&self, path: &str, text: &str) -> Result<()> {
        self.run((path.to_owned(), text.to_owned()), |me, (path, text)| {
            let send = || UnixDatagram::unbound().and_then(|letter| letter.send_to(text.as_bytes(), &path));
            let sent = retried(send).map(Value::from).answer_to("sendto")?;
            me.called("sendto", vec![Value::Name(text), Value::Name(path)], sent).map(drop)
        })
    }

    /// Takes a letter out of a mailbox: the sender's process id, as the kernel translated it into this actor's PID
    /// namespace (`SCM_CREDENTIALS` in unix(7)).
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub(crate) fn read_mailbox(&self, mailbox: Fd) -> Result<i32> {
        self.run(mailbox, |me, mailbox| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut text = [0; 64];
            let mut parts = [std::io::IoSliceMut::new(&mut text)];
            let fd = me.fd(mailbox)?;
            let received = retried(|| recvmsg(fd, &mut parts, &mut ancillary, RecvFlags::empty()));
            let received = received.or_refused("recvmsg", args!["SCM_CREDENTIALS"])?;
            let sender = ancillary.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid.as_raw_nonzero().get()),
                _ => None,
            });
            let sender = sender.ok_or_else(|| Error::unexpected("recvmsg", "the letter has no sender"))?;
            let result = Value::from(format!("{}, sent by {sender}", received.bytes));
            me.called("recvmsg", vec![Value::from("SCM_CREDENTIALS")], Ok(result))?;
            Ok(sender)
        })
    }

    /// Sends an ICMP echo request, and waits for the reply: icmp(7).
    ///
    /// # Errors
    /// `ENETUNREACH` without a route; `ETIMEDOUT` where no reply comes within five seconds.
    pub(crate) fn ping(&self, address: Ipv4Addr) -> Result<Reply> {
        self.run(address, |_, address| self::ping(address, PATIENCE))
    }

    /// The TCP sockets that listen in the actor's network namespace.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub(crate) fn listeners(&self) -> Result<Vec<Listener>> {
        self.run((), |_, ()| sockets::listeners().or_refused("sock_diag", args!["TCP_LISTEN"]))
    }
}

impl Stage {
    /// Lets an actor fetch the page of its localhost, and shows what came: what `curl -s localhost` prints.
    ///
    /// # Errors
    /// As [`Actor::http_get`].
    pub(crate) fn curl(&self, actor: &Actor) -> Result<Vec<String>> {
        let lines = actor.http_get(Ipv4Addr::LOCALHOST)?;
        self.show(actor, Look::output("curl -s localhost", &lines));
        Ok(lines)
    }

    /// Lets an actor ping an address, and shows the reply.
    ///
    /// # Errors
    /// As [`Actor::ping`].
    pub(crate) fn ping(&self, actor: &Actor, address: Ipv4Addr) -> Result<Reply> {
        let reply = actor.ping(address)?;
        self.show(actor, Look::output(format!("ping -c 1 {address}"), [reply.to_string()]));
        Ok(reply)
    }

    /// Shows which TCP sockets listen in an actor's network namespace, and returns them.
    ///
    /// # Errors
    /// As [`Actor::listeners`].
    pub(crate) fn ss_tln(&self, actor: &Actor) -> Result<Vec<Listener>> {
        let rows = actor.listeners()?;
        let lines = rows.iter().map(|row| args![format!("LISTEN  {}", row.address)]).collect();
        let look =
            Look::table("listeners", "ss -tln", &["address"], rows.iter().map(|row| args![&row.address]).collect());
        self.show(actor, look.printed(lines));
        Ok(rows)
    }
}

/// The address of a Unix socket: a path, or `@NAME` for an abstract one.
fn unix_address(name: &str) -> std::io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

/// Answers one request after the other. A client that says nothing sensible is left alone.
fn serve(me: &mut Process, listener: Fd, page: &str) -> Result<()> {
    /// How often in a row it may fail to take a client in: then it is not for the client's sake.
    const TRIES: usize = 5;
    let listener = me.fd(listener)?.try_clone_to_owned();
    let listener = TcpListener::from(listener.or_refused("fcntl", args!["F_DUPFD"])?);
    me.report(&());
    let mut failed = 0;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                failed = 0;
                // A client that hangs up halfway is its own affair.
                let _ = answer(stream, page);
            }
            Err(why) if failed == TRIES => return Err(why).or_refused("accept", args![]),
            Err(_) => failed += 1,
        }
    }
}

fn answer(mut stream: TcpStream, page: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).split(b'\n');
    let request = lines.next().transpose()?.unwrap_or_default();
    // The rest of the request must be read, or closing the connection would cut the answer off.
    while lines.next().transpose()?.is_some_and(|line| !line.trim_ascii().is_empty()) {}
    let (status, body) =
        if request.starts_with(b"GET / ") { ("200 OK", page) } else { ("404 Not Found", "there is one page: /\n") };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn get(mut stream: TcpStream, address: Ipv4Addr) -> std::io::Result<Vec<String>> {
    let patience = Some(Duration::from_secs(PATIENCE.unsigned_abs()));
    stream.set_read_timeout(patience)?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    // A server that met an error has closed the connection early, and cannot say so in any other way.
    let end_of_head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
    let whole = end_of_head
        .map(|at| answer.split_at(at))
        .filter(|(head, body)| labelled(head, "Content-Length: ").and_then(number) == Some(body.len()));
    let (_, body) = whole.ok_or_else(|| io::Error::other("the server hung up before all of it had come"))?;
    Ok(lines(body).map(|line| shown(line).into_owned()).collect())
}

/// The reply to an ICMP echo request; shown as ping(8) prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// How long it is, in bytes, without the IP header.
    pub(crate) bytes: usize,
    /// Who sent it.
    pub(crate) from: Ipv4Addr,
    /// Through how many routers it could still have gone.
    time_to_live: u8,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes from {}: icmp_seq=1 ttl={}", self.bytes, self.from, self.time_to_live)
    }
}

/// One echo request and its reply, which may take so many seconds.
///
/// # Errors
/// As [`Actor::ping`].
pub(crate) fn ping(address: Ipv4Addr, patience: i64) -> Result<Reply> {
    echo(address, patience).or_refused("ping", args![address.to_string()]).map_err(|error| {
        // It is read here, for each network has a setting of its own.
        let setting = kernel_file::read("/proc/sys/net/ipv4/conf/all/arp_ignore").ok();
        let arp_ignore = setting.and_then(|setting| number(&setting)).unwrap_or_default();
        error.about(Object::Neighbour { arp_ignore })
    })
}

/// An echo on a raw socket: that takes CAP_NET_RAW over the network namespace, which root of the stage has.
fn echo(address: Ipv4Addr, patience: i64) -> nix::Result<Reply> {
    const REQUEST: u8 = 8;
    const REPLY: u8 = 0;
    let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(patience, 0))?;
    let mut packet = [0_u8; 64];
    packet[0] = REQUEST;
    packet[7] = 1;
    let sum = checksum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    let to = SockaddrIn::from(SocketAddrV4::new(address, 0));
    retried(|| sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty()))?;
    let mut reply = [0_u8; 128];
    loop {
        let length = match retried(|| recv(socket.as_fd().as_raw_fd(), &mut reply, MsgFlags::empty())) {
            Err(Errno::EAGAIN) => return Err(Errno::ETIMEDOUT),
            received => received?,
        };
        // The IP header comes along (RFC 791): its length is in its first byte, in words of four bytes.
        let header = usize::from(reply[0] & 0x0f) * 4;
        if reply[header] == REPLY {
            let from = Ipv4Addr::new(reply[12], reply[13], reply[14], reply[15]);
            return Ok(Reply { bytes: length.saturating_sub(header), from, time_to_live: reply[8] });
        }
    }
}

/// The checksum of the Internet's protocols: RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words =
        packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(super::checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
