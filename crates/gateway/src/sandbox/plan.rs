//! What the guard is told: a plan as JSON in a sealed piece of memory, and the descriptors that it names, in one message
//! over the socket that is the guard's stdin. The guard tells its stage the same way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

use super::{Limits, Mechanism};

/// In one message; the kernel takes 253.
pub const MAX_DESCRIPTORS: usize = 200;
/// Arguments and environment together cannot be longer than this either.
const MAX_BYTES: u64 = 4 << 20;

/// One launch. A number of a descriptor is its place in the message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub mechanism: Mechanism,
    /// Where bubblewrap is, where it is used.
    pub bubblewrap: Option<PathBuf>,
    pub program: Program,
    /// From the name of the program on.
    pub argv: Vec<Arg>,
    pub env: BTreeMap<String, String>,
    /// Opened; the name is for bubblewrap, inside whose walls the place is entered.
    pub cwd: Opened,
    pub network: bool,
    pub terminal: bool,
    pub limits: Limits,
    /// Folders that may be written: workspace, temporary files, what else was granted.
    pub writable: Vec<Opened>,
    /// What stands at `/tmp` inside bubblewrap; `None`: an empty folder in memory, of this command alone.
    pub tmp: Option<usize>,
    /// Never visible, even below a folder that is.
    pub hidden: Vec<PathBuf>,
    /// Sealed copies, and the places where bubblewrap puts them, with links to what lies beside the originals; and the link
    /// that a program is called by.
    pub copies: Vec<Opened>,
    pub links: Vec<(PathBuf, PathBuf)>,
    /// `cgroup.procs` of the launch, open for writing.
    pub cgroup: Option<usize>,
    /// Where bubblewrap says how it went, as JSON; added by the guard.
    pub status: Option<usize>,
    /// Landlock's scope holds signals on this kernel.
    pub signal_scope: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opened {
    pub path: PathBuf,
    pub fd: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Program {
    /// By its path; only inside bubblewrap, where nobody can change what is there.
    Path(PathBuf),
    Descriptor(usize),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Arg {
    Text(String),
    /// The path of an open file.
    Descriptor(usize),
}

/// stdin, stdout and stderr come first.
pub const STDIN: usize = 0;
pub const STDOUT: usize = 1;
pub const STDERR: usize = 2;

/// What the guard answers, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    Started,
    /// The command never ran; why, in words.
    Failed(String),
    Ended {
        code: Option<i32>,
        signal: Option<i32>,
        over: Option<Over>,
    },
}

/// The limit that ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    Time,
    Memory,
    Processes,
}

/// A file in memory that nobody can change from here on.
pub fn sealed(name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Older kernels do not know the flag; newer ones may be set up to insist on it.
    let memory =
        rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC).or_else(|_| rustix::fs::memfd_create(name, flags))?;
    let mut file = File::from(memory);
    fill(&mut file)?;
    file.rewind()?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

pub fn send(socket: impl AsFd, plan: &Plan, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let json = serde_json::to_vec(plan).map_err(io::Error::other)?;
    let body = sealed("plan", |file| file.write_all(&json))?;
    let mut all = vec![body.as_fd()];
    all.extend(fds);
    if all.len() > MAX_DESCRIPTORS {
        return Err(io::Error::other(format!("a launch opens at most {MAX_DESCRIPTORS} files")));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&all)) {
        return Err(io::Error::other("the descriptors do not fit into one message"));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(b"p")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

pub fn receive(socket: impl AsFd) -> io::Result<(Plan, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if got.bytes != 1 || fds.is_empty() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    let mut json = String::new();
    File::from(fds.remove(0)).take(MAX_BYTES).read_to_string(&mut json)?;
    let plan = serde_json::from_str(&json).map_err(io::Error::other)?;
    Ok((plan, fds))
}
