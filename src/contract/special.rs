use super::record::File;

/// Size in bytes above which a file counts as large.
const LARGE: u64 = 1 << 30;

/// Number of characters above which a name counts as odd.
const LONG: usize = 100;

/// A kind of file record that a receiver may leave out on purpose, because its product does not need it.
///
/// ```
/// use paragon_testkit::contract::{File, SpecialRecord};
///
/// let folder = File { mime_type: "application/vnd.google-apps.folder".into(), ..File::named("Reports") };
/// assert!(SpecialRecord::Folders.includes(&folder));
/// assert_eq!(SpecialRecord::from_name("google-docs"), Some(SpecialRecord::GoogleDocs));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SpecialRecord {
    /// Folders that have a MIME type of their own.
    Folders,
    /// Google-native documents: they have no size, and a download converts them.
    GoogleDocs,
    /// Records whose MIME type is empty, such as folders in `SharePoint`.
    EmptyTypes,
    /// Files of 0 bytes.
    EmptyFiles,
    /// Files of more than 1 GiB.
    LargeFiles,
    /// Records whose name is blank, longer than 100 characters, or `null`, or contains anything but ASCII letters,
    /// digits, single spaces and common punctuation.
    OddNames,
}

impl SpecialRecord {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Folders, Self::GoogleDocs, Self::EmptyTypes, Self::EmptyFiles, Self::LargeFiles, Self::OddNames];

    /// Returns the name of the kind, such as `google-docs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Folders => "folders",
            Self::GoogleDocs => "google-docs",
            Self::EmptyTypes => "empty-types",
            Self::EmptyFiles => "empty-files",
            Self::LargeFiles => "large-files",
            Self::OddNames => "odd-names",
        }
    }

    /// Returns the kind with this name; `None` if the name is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether a file is of this kind.
    pub fn includes(self, file: &File) -> bool {
        let mime_type = file.mime_type.to_ascii_lowercase();
        let is_folder = mime_type.contains("folder") || mime_type.contains("directory");
        match self {
            Self::Folders => is_folder,
            Self::GoogleDocs => mime_type.starts_with("application/vnd.google-apps.") && !is_folder,
            Self::EmptyTypes => mime_type.is_empty(),
            Self::EmptyFiles => file.size == Some(0),
            Self::LargeFiles => file.size.is_some_and(|size| size > LARGE),
            Self::OddNames => is_odd(&file.name),
        }
    }
}

impl std::fmt::Display for SpecialRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

fn is_odd(name: &str) -> bool {
    let is_common = |c: char| c.is_ascii_alphanumeric() || " .,-_()".contains(c);
    name.trim() != name
        || name.is_empty()
        || name == "null"
        || name.len() > LONG
        || name.contains("  ")
        || !name.chars().all(is_common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(file: &File) -> Vec<SpecialRecord> {
        SpecialRecord::ALL.into_iter().filter(|kind| kind.includes(file)).collect()
    }

    #[test]
    fn each_kind_is_recognized_and_an_ordinary_file_is_of_no_kind() {
        use SpecialRecord::{EmptyFiles, EmptyTypes, Folders, GoogleDocs, LargeFiles, OddNames};
        let of_type = |mime_type: &str| File { mime_type: mime_type.to_owned(), ..File::named("Reports") };
        let of_size = |size| File { size: Some(size), ..File::named("a.pdf") };
        assert_eq!(kinds(&File::named("Q1 report (final), draft-2_b.pdf")), []);
        assert_eq!(kinds(&of_type("application/vnd.google-apps.folder")), [Folders]);
        assert_eq!(kinds(&of_type("inode/directory")), [Folders]);
        assert_eq!(kinds(&of_type("application/vnd.google-apps.document")), [GoogleDocs]);
        assert_eq!(kinds(&of_type("")), [EmptyTypes]);
        assert_eq!((kinds(&of_size(0)), kinds(&of_size(1))), (vec![EmptyFiles], vec![]));
        assert_eq!((kinds(&of_size(LARGE)), kinds(&of_size(LARGE + 1))), (vec![], vec![LargeFiles]));
        let long = "x".repeat(LONG + 1);
        for name in ["", " ", " a", "a  b", "null", "\u{1f4c4}.pdf", "<b>", "../a", &long] {
            assert_eq!(kinds(&File::named(name)), [OddNames], "{name:?}");
        }
    }

    #[test]
    fn each_name_is_that_of_its_kind() {
        for kind in SpecialRecord::ALL {
            assert_eq!(SpecialRecord::from_name(kind.name()), Some(kind));
        }
        assert_eq!(SpecialRecord::from_name("videos"), None);
    }
}
