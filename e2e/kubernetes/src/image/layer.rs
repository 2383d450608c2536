//! One layer of an image: a tar of a folder, the same for the same content.
//!
//! Not a general tar writer: no extended attributes, no devices, no compression (the archive is read once, from the
//! same disk).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::ImageError;
use crate::parts::cache::{Cache, KEEP_PROGRAMS, Key, hex};
use crate::progress::Progress;

/// The time of every file: an image says what it holds, not when it was packed. Not 0, which some programs take for
/// "never"; it is 2020-01-01.
const MTIME: u64 = 1_577_836_800;

/// A finished layer on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// The uncompressed tar.
    pub(super) tar: PathBuf,
    /// Its sha256 in hexadecimal, the `diff_id` of the image's configuration.
    pub(super) digest: String,
}

impl Layer {
    /// Packs everything below `root`.
    pub(super) fn from_folder(root: &Path, tar: &Path) -> Result<Self, ImageError> {
        let mut writer = Writer::create(tar)?;
        // By inode, for files with more than one name.
        let mut seen: HashMap<(u64, u64), PathBuf> = HashMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let mut entries = fs::read_dir(&folder)
                .and_then(Iterator::collect::<io::Result<Vec<_>>>)
                .map_err(ImageError::io("list", &folder))?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
                let meta = fs::symlink_metadata(&path).map_err(ImageError::io("look at", &path))?;
                let header = |kind| Writer::header(kind, meta.mode(), (meta.uid(), meta.gid()), 0);
                let kind = meta.file_type();
                if kind.is_dir() {
                    writer.folder(&name, header(EntryType::Directory))?;
                    folders.push(path);
                } else if kind.is_symlink() {
                    let target = fs::read_link(&path).map_err(ImageError::io("read the link", &path))?;
                    writer.link(&name, &target, header(EntryType::Symlink))?;
                } else if kind.is_file() {
                    let first = (meta.nlink() > 1).then(|| seen.get(&(meta.dev(), meta.ino()))).flatten();
                    if let Some(first) = first {
                        writer.link(&name, first, header(EntryType::Link))?;
                    } else {
                        writer.file(&name, &path, meta.mode(), (meta.uid(), meta.gid()))?;
                        seen.insert((meta.dev(), meta.ino()), name);
                    }
                } else if !kind.is_char_device() && !kind.is_block_device() {
                    return Err(ImageError::Unsupported { path });
                }
            }
        }
        writer.finish()
    }

    /// The layer of a root filesystem that takes long to make; `fill` makes it in an empty folder.
    ///
    /// Only the tar is kept.
    pub(super) fn cached(
        cache: &Cache,
        name: &str,
        key: &Key,
        progress: &Progress,
        fill: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<Self, ImageError> {
        let entry = cache.entry(&format!("layer-{name}"), key, KEEP_PROGRAMS, progress, |folder| {
            let root = folder.join("root");
            fs::create_dir(&root).map_err(ImageError::io("create", &root))?;
            fill(&root)?;
            let layer = Self::from_folder(&root, &folder.join("layer.tar"))?;
            let digest = folder.join("digest");
            fs::write(&digest, layer.digest).map_err(ImageError::io("write", &digest))?;
            fs::remove_dir_all(&root).map_err(ImageError::io("remove", &root))
        })?;
        let digest = entry.join("digest");
        let digest = fs::read_to_string(&digest).map_err(ImageError::io("read", &digest))?;
        Ok(Self { tar: entry.join("layer.tar"), digest })
    }

    /// Packs single files, `(name in the image, file)`, executable and owned by root.
    ///
    /// A file given more than once, also by way of symbolic links, is packed once and linked.
    pub(super) fn from_files(files: &[(PathBuf, PathBuf)], tar: &Path) -> Result<Self, ImageError> {
        let mut writer = Writer::create(tar)?;
        let mut sorted: Vec<_> = files.iter().collect();
        sorted.sort();
        let mut seen: HashMap<PathBuf, &Path> = HashMap::new();
        for (name, source) in sorted {
            let source = source.canonicalize().map_err(ImageError::io("find", source))?;
            if let Some(first) = seen.get(&source) {
                let header = Writer::header(EntryType::Link, 0o755, (0, 0), 0);
                writer.link(name, first, header)?;
            } else {
                writer.file(name, &source, 0o755, (0, 0))?;
                seen.insert(source, name);
            }
        }
        writer.finish()
    }
}

/// Writes a tar and its checksum at once.
struct Writer {
    tar: Builder<Hashing<BufWriter<File>>>,
    path: PathBuf,
}

impl Writer {
    fn create(path: &Path) -> Result<Self, ImageError> {
        let file = File::create(path).map_err(ImageError::io("create", path))?;
        let hashing = Hashing { inner: BufWriter::with_capacity(1 << 20, file), sha256: Sha256::new() };
        Ok(Self { tar: Builder::new(hashing), path: path.to_owned() })
    }

    fn header(kind: EntryType, mode: u32, owner: (u32, u32), size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode & 0o7777);
        header.set_uid(owner.0.into());
        header.set_gid(owner.1.into());
        header.set_mtime(MTIME);
        header.set_size(size);
        header
    }

    fn folder(&mut self, name: &Path, mut header: Header) -> Result<(), ImageError> {
        let mut with_slash = name.as_os_str().to_owned();
        with_slash.push("/");
        self.tar
            .append_data(&mut header, with_slash, io::empty())
            .map_err(ImageError::io("write", &self.path))
    }

    fn link(&mut self, name: &Path, target: &Path, mut header: Header) -> Result<(), ImageError> {
        self.tar.append_link(&mut header, name, target).map_err(ImageError::io("write", &self.path))
    }

    fn file(&mut self, name: &Path, source: &Path, mode: u32, owner: (u32, u32)) -> Result<(), ImageError> {
        let file = File::open(source).map_err(ImageError::io("open", source))?;
        let size = file.metadata().map_err(ImageError::io("look at", source))?.len();
        let mut header = Self::header(EntryType::Regular, mode, owner, size);
        self.tar.append_data(&mut header, name, file).map_err(ImageError::io("pack", source))
    }

    fn finish(self) -> Result<Layer, ImageError> {
        let path = self.path;
        let mut hashing = self.tar.into_inner().map_err(ImageError::io("write", &path))?;
        hashing.flush().map_err(ImageError::io("write", &path))?;
        Ok(Layer { tar: path, digest: hex(&hashing.sha256.finalize()) })
    }
}

/// Passes bytes on and keeps their checksum, so that a layer of hundreds of megabytes is read only once.
pub(super) struct Hashing<W> {
    pub(super) inner: W,
    pub(super) sha256: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
