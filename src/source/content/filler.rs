/// Pseudorandom numbers (`SplitMix64`) that are seeded with texts. They are the same on every machine.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(texts: &[&str]) -> Self {
        // FNV-1a. UTF-8 never contains the separator byte 0xff, so different texts never give the same bytes.
        let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
        Self(
            bytes
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        )
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn word(&mut self) -> &'static str {
        const WORDS: [&str; 16] = [
            "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "kiosk", "lemon",
            "maple", "nylon", "ocean", "prism",
        ];
        WORDS[usize::try_from(self.next() % 16).unwrap_or(0)]
    }

    /// Returns `count` words, separated by spaces.
    pub(super) fn words(&mut self, count: usize) -> String {
        (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

/// Kind of filler. Filler is the middle part of a file, and gives the file its required length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filler {
    /// Lines of words.
    Lines,
    /// Words in one line.
    Words,
    /// Rows of two columns.
    Rows,
    /// Arbitrary bytes.
    Bytes,
}

impl Filler {
    pub(super) fn make(self, len: usize, numbers: &mut Numbers) -> Vec<u8> {
        // One block is repeated, because generating 64 MiB of different text takes too long.
        let lines = (len / 50 + 1).min(64);
        let block: Vec<u8> = match self {
            Self::Lines => (0..lines).flat_map(|_| format!("{}\n", numbers.words(12)).into_bytes()).collect(),
            Self::Words => format!("{} ", numbers.words(512)).into_bytes(),
            Self::Rows => {
                (0..64).flat_map(|_| format!("{},{}\n", numbers.word(), numbers.word()).into_bytes()).collect()
            }
            Self::Bytes => (0..512).flat_map(|_| numbers.next().to_le_bytes()).collect(),
        };
        let mut bytes = block.repeat(len / block.len() + 1);
        bytes.truncate(len);
        let cut = len % 12;
        match (self, bytes.last_mut()) {
            // A row has 12 bytes. The incomplete last row is replaced by a shorter valid one.
            (Self::Rows, Some(_)) if cut > 0 => {
                let row = if cut == 1 { "\n".to_owned() } else { format!("{},\n", "x".repeat(cut - 2)) };
                bytes.splice(len - cut.., row.into_bytes());
            }
            (Self::Lines, Some(last)) => *last = b'\n',
            _ => {}
        }
        bytes
    }
}
