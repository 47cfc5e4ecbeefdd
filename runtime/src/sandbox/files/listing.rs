//! What is in a directory, a piece at a time: a guest may keep as many listings as it has handles, of directories of
//! any size, and none of them is ever in memory as a whole.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RawDirEntry, openat, statat};
use rustix::io::Errno;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, HostDirectoryEntryStream,
};

use crate::sandbox::guest::Guest;

/// Bytes of entries, as the kernel lists them, that are read at once: some hundred names, or 14 of the longest.
const PIECE: usize = 4096;

/// A listing, as far as it has been read.
pub(super) struct Listing {
    directory: Arc<OwnedFd>,
    /// Entries that the guest has not asked for yet.
    piece: Piece,
}

/// Entries, and those that have no name that a guest could be told.
type Piece = VecDeque<Result<DirectoryEntry, ErrorCode>>;

impl Listing {
    /// Opens `directory` once more, so that this listing has a position of its own.
    pub(super) fn of(directory: &File) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            directory: Arc::new(openat(directory, ".", flags, Mode::empty())?),
            piece: Piece::new(),
        })
    }
}

impl HostDirectoryEntryStream for Guest {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(stream.rep());
        let opened = self.table.get_mut(&listing)?;
        if opened.piece.is_empty() {
            let directory = Arc::clone(&opened.directory);
            let piece = self.file_jobs().run(move || read_piece(&directory)).await?;
            self.table.get_mut(&listing)?.piece = piece;
        }
        let next = self.table.get_mut(&listing)?.piece.pop_front();
        Ok(next.transpose()?)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> Result<()> {
        self.table
            .delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

/// The next entries of `directory`; none at its end.
fn read_piece(directory: &OwnedFd) -> io::Result<Piece> {
    let mut buffer = Vec::with_capacity(PIECE);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut piece = Piece::new();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if is_itself_or_its_parent(&entry) => {}
            Ok(entry) => piece.push_back(told(directory, &entry)),
            // It was removed.
            Err(Errno::NOENT) => break,
            Err(error) => return Err(error.into()),
        }
        if entries.is_buffer_empty() && !piece.is_empty() {
            break;
        }
    }
    Ok(piece)
}

fn is_itself_or_its_parent(entry: &RawDirEntry<'_>) -> bool {
    matches!(entry.file_name().to_bytes(), b"." | b"..")
}

/// An entry as a guest is told of it.
fn told(directory: &OwnedFd, entry: &RawDirEntry<'_>) -> Result<DirectoryEntry, ErrorCode> {
    let name = entry.file_name().to_str();
    Ok(DirectoryEntry {
        type_: type_of(directory, entry),
        name: name.map_err(|_| ErrorCode::IllegalByteSequence)?.to_owned(),
    })
}

fn type_of(directory: &OwnedFd, entry: &RawDirEntry<'_>) -> DescriptorType {
    let listed = match entry.file_type() {
        // Not every file system lists what a name stands for.
        FileType::Unknown => statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| {
                FileType::from_raw_mode(stat.st_mode)
            }),
        listed => listed,
    };
    match listed {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        _ => DescriptorType::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_in_pieces_and_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = |number| format!("{number:0>200}");
        for number in 0..100 {
            std::fs::write(folder.path().join(name(number)), "").expect("written");
        }
        let opened = File::open(folder.path()).expect("a folder");
        let listing = Listing::of(&opened).expect("a listing");
        let mut names = Vec::new();
        loop {
            let piece = read_piece(&listing.directory).expect("a piece");
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() < PIECE / 200, "{} at once", piece.len());
            names.extend(piece.into_iter().map(|entry| entry.expect("a name").name));
        }
        names.sort();
        assert_eq!(names, (0..100).map(name).collect::<Vec<_>>());
    }
}
