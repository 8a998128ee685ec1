//! Sockets: tcp(7), unix(7), and the little HTTP that a web server and its client speak.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrLike, UnixAddr, bind, setsockopt, socket,
    sockopt,
};
use nix::unistd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::actors::{Actor, Fd, Process, ReturnValue, Zero};
use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::observe::kernel_file::{labelled, lines, number, shown};
use crate::observe::netlink::{MESSAGE, message};
use crate::observe::{Listener, sockets};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWNET, CLONE_NEWNS, Look, Object, Value};

/// How long to wait for an answer from the other end of a cable, in seconds.
pub(super) const PATIENCE: i64 = 5;

impl Actor {
    /// Listens on a TCP port of the actor's network namespace: bind(2) and listen(2).
    ///
    /// # Errors
    /// `EADDRINUSE` where somebody listens there already.
    pub(crate) fn listen(&self, port: u16) -> Result<Fd> {
        self.change(CLONE_NEWNET, "bind", port, |me, port| {
            let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
            me.about(Object::Internet(address));
            listen(me, AddressFamily::Inet, &SockaddrIn::from(address), address.to_string())
        })
    }

    /// Connects to a TCP port: connect(2).
    ///
    /// # Errors
    /// `ENETUNREACH` without a route; `ECONNREFUSED` where nobody listens.
    pub(crate) fn connect(&self, address: Ipv4Addr, port: u16) -> Result<()> {
        self.run((address, port), |me, (address, port)| {
            let connected = TcpStream::connect((address, port)).map(drop).answer_to("connect")?;
            internet(me, "connect", SocketAddrV4::new(address, port), connected)
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
            let Zero(stream) = internet(me, "connect", SocketAddrV4::new(address, 80), stream)?;
            let waits = stream.set_read_timeout(Some(Duration::from_secs(PATIENCE.unsigned_abs())));
            me.set_up("setsockopt", args!["SO_RCVTIMEO"], waits.answer_to("setsockopt")?)?;
            get(stream, address).or_refused("recv", args![format!("the page of {address}")])
        })
    }

    /// Listens on a Unix socket at a path, or, where the name begins with `@`, on an abstract one: unix(7).
    ///
    /// # Errors
    /// `EADDRINUSE` where the name is taken.
    pub(crate) fn listen_unix(&self, name: &str) -> Result<Fd> {
        self.change(CLONE_NEWNS | CLONE_NEWNET, "bind", name.to_owned(), |me, name| {
            let address = name.strip_prefix('@').map(|name| UnixAddr::new_abstract(name.as_bytes()));
            let address = address.unwrap_or_else(|| UnixAddr::new(name.as_str())).or_refused("bind", args![&name])?;
            listen(me, AddressFamily::Unix, &address, name)
        })
    }

    /// Closes a file descriptor that the actor holds: close(2).
    ///
    /// # Errors
    /// Where the actor does not hold it.
    pub(crate) fn close(&self, fd: Fd) -> Result<()> {
        self.run(fd, |me, fd| {
            let (fd, of) = me.give_up(fd)?;
            me.called("close", args![of], unistd::close(fd))
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
            let is_abstract = name.starts_with('@').then_some(Object::AbstractName);
            me.about(is_abstract).called("connect", vec![Value::Text(name)], connected)
        })
    }

    /// Opens a mailbox at a path: a datagram socket that wants to know who writes (`SO_PASSCRED` in unix(7)).
    ///
    /// # Errors
    /// Those of bind(2).
    pub(crate) fn open_mailbox(&self, path: &str) -> Result<Fd> {
        self.change(CLONE_NEWNS, "bind", path.to_owned(), |me, path| {
            let mailbox = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
            let mailbox = mailbox.or_refused("socket", args!["AF_UNIX", "SOCK_DGRAM"])?;
            let address = UnixAddr::new(path.as_str()).or_refused("bind", args![&path])?;
            me.called("bind", args![&path], bind(mailbox.as_raw_fd(), &address))?;
            me.called("setsockopt", args![&path, "SO_PASSCRED"], setsockopt(&mailbox, sockopt::PassCred, &true))?;
            Ok(me.keep(mailbox, path))
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

    /// The TCP sockets that listen in the actor's network namespace.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub(crate) fn listeners(&self) -> Result<Vec<Listener>> {
        self.run((), |_, ()| sockets::listeners().or_refused(MESSAGE, message("SOCK_DIAG_BY_FAMILY TCP_LISTEN")))
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

    /// Shows which TCP sockets listen in an actor's network namespace, and returns them.
    ///
    /// # Errors
    /// As [`Actor::listeners`].
    pub(crate) fn ss_tln(&self, actor: &Actor) -> Result<Vec<Listener>> {
        let rows = actor.listeners()?;
        let lines = rows.iter().map(|row| args![format!("LISTEN  {}", row.address)]).collect();
        let look = Look::table(
            "listeners",
            "ss -tln (shortened)",
            &["address"],
            rows.iter().map(|row| args![&row.address]).collect(),
        );
        self.show(actor, look.printed(lines));
        Ok(rows)
    }
}

/// Binds a socket to an address and listens there: bind(2), and then listen(2), for that is when the kernel opens the door.
/// No `SO_REUSEADDR` comes before: on the stage nobody has been at the address.
fn listen(me: &mut Process, family: AddressFamily, address: &impl SockaddrLike, shown: String) -> Result<Fd> {
    let listener = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    let listener = listener.or_refused("socket", args![format!("{family:?}"), "SOCK_STREAM"])?;
    me.called("bind", args![&shown], bind(listener.as_raw_fd(), address))?;
    me.called("listen", args![&shown], socket::listen(&listener, Backlog::MAXCONN))?;
    Ok(me.keep(listener, shown))
}

/// Tells of a call on an address of the Internet protocols.
fn internet<T: ReturnValue>(
    me: &mut Process,
    syscall: &str,
    address: SocketAddrV4,
    result: nix::Result<T>,
) -> Result<T> {
    me.about(Object::Internet(address)).called(syscall, vec![Value::Text(address.to_string())], result)
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
