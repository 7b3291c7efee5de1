//! The socket between an executor and clients on the same machine, over which they hand each
//! other file descriptors of shared memory.
//!
//! Its name is abstract and follows from the executor's address, so that it is found without
//! being told and leaves nothing behind. Both ends check that the other belongs to the same user.
//! Frames are messages of `drawloom.v1` behind their length, four bytes little-endian; a
//! descriptor travels with the first byte of its frame.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener, UnixStream as StdStream};

use prost::Message;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

/// The largest frame: far beyond what any message needs.
const FRAME_BYTES: usize = 64 * 1024;

/// The socket of the executor at an address.
fn address_of(executor: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("drawloom-objects@{executor}"))
}

/// Listens for clients of the executor at an address.
///
/// # Errors
/// When somebody listens there already, or the address is too long for a name.
pub fn listen_local(executor: &str) -> io::Result<UnixListener> {
    let listener = StdListener::bind_addr(&address_of(executor)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// A connection between an executor and a client.
#[derive(Debug)]
pub struct LocalStream {
    stream: UnixStream,
    received: Vec<u8>,
    descriptor: Option<OwnedFd>,
}

impl LocalStream {
    /// Connects to the executor at an address.
    ///
    /// # Errors
    /// When it is not on this machine, or belongs to another user.
    pub fn connect(executor: &str) -> io::Result<Self> {
        let stream = StdStream::connect_addr(&address_of(executor)?)?;
        stream.set_nonblocking(true)?;
        LocalStream::new(UnixStream::from_std(stream)?)
    }

    /// Checks who is at the other end of an accepted connection.
    ///
    /// # Errors
    /// When it belongs to another user.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let (theirs, ours) = (stream.peer_cred()?.uid(), rustix::process::getuid().as_raw());
        if theirs != ours {
            let message = format!("the other end belongs to user {theirs}, not {ours}");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(LocalStream { stream, received: Vec::new(), descriptor: None })
    }

    /// Sends a message, and a descriptor with it.
    ///
    /// # Errors
    /// When the other end is gone.
    pub async fn send(
        &self,
        message: &impl Message,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let mut frame = vec![0; 4];
        message.encode(&mut frame).map_err(io::Error::other)?;
        let len = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
        frame[..4].copy_from_slice(&len.to_le_bytes());
        let mut sent = 0;
        let mut descriptor = descriptor;
        while sent < frame.len() {
            let rest = &frame[sent..];
            let write = || Ok(send_some(self.stream.as_fd(), rest, descriptor)?);
            sent += self.stream.async_io(Interest::WRITABLE, write).await?;
            descriptor = None;
        }
        Ok(())
    }

    /// The next message, with the descriptor that came along; nothing once the other end has
    /// closed the connection. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// When the connection breaks, or what arrives is no such message.
    pub async fn receive<M: Message + Default>(
        &mut self,
    ) -> io::Result<Option<(M, Option<OwnedFd>)>> {
        loop {
            if let Some(message) = self.take_frame()? {
                return Ok(Some((message, self.descriptor.take())));
            }
            let mut buffer = [0; 4096];
            let read = || Ok(receive_some(self.stream.as_fd(), &mut buffer)?);
            let (len, descriptor) = self.stream.async_io(Interest::READABLE, read).await?;
            if len == 0 {
                return Ok(None);
            }
            self.received.extend_from_slice(&buffer[..len]);
            self.descriptor = descriptor.or(self.descriptor.take());
        }
    }

    fn take_frame<M: Message + Default>(&mut self) -> io::Result<Option<M>> {
        let Some(head) = self.received.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_le_bytes(*head) as usize;
        if len > FRAME_BYTES {
            let message = format!("a frame of {len} bytes; at most {FRAME_BYTES} are allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let Some(body) = self.received.get(4..4 + len) else { return Ok(None) };
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let message = M::decode(body).map_err(invalid)?;
        self.received.drain(..4 + len);
        Ok(Some(message))
    }
}

fn send_some(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|descriptor| [descriptor]);
    if let Some(descriptors) = &descriptors {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

fn receive_some(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(socket, &mut parts, &mut control, flags)?;
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            descriptor = descriptors.next();
        }
    }
    Ok((received.bytes, descriptor))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::v1;

    #[tokio::test]
    async fn messages_and_descriptors_arrive_together() {
        let name = format!("test-{}", std::process::id());
        let listener = listen_local(&name).expect("a free name");
        assert!(listen_local(&name).is_err(), "the name is taken");
        let client = LocalStream::connect(&name).expect("it listens");
        let (accepted, _) = listener.accept().await.expect("a client");
        let mut server = LocalStream::new(accepted).expect("our own user");
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        let request = v1::LocalRequest { number: 7, ..Default::default() };
        client.send(&request, None).await.expect("sent");
        client.send(&request, Some(writer.as_fd())).await.expect("sent");
        let first = server.receive::<v1::LocalRequest>().await.expect("intact").expect("there");
        assert_eq!(first.0, request);
        let mut descriptor = first.1;
        let second = server.receive::<v1::LocalRequest>().await.expect("intact").expect("there");
        // What was sent in one go may be read in one go.
        descriptor = descriptor.or(second.1);
        let mut theirs = File::from(descriptor.expect("it came along"));
        theirs.write_all(b"warp").expect("a pipe");
        drop(theirs);
        writer.write_all(b"!").expect("a pipe");
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        assert_eq!(text, "warp!");
        drop(client);
        assert!(server.receive::<v1::LocalRequest>().await.expect("closed").is_none());
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut ours = LocalStream::new(ours).expect("our own user");
        theirs.try_write(&[255; 8]).expect("written");
        let error = ours.receive::<v1::LocalRequest>().await.expect_err("too long").to_string();
        assert!(error.contains("a frame of 4294967295 bytes"), "{error}");
    }
}
