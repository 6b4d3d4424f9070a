/// A set of positions from 0 on. It counts the members before a position and finds the n-th member in logarithmic time,
/// and needs little more than one bit for each position. Implementation: a Fenwick tree over blocks of bits.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranks {
    words: Vec<u64>,
    /// Number of members in the blocks, as a Fenwick tree.
    blocks: Vec<usize>,
    len: usize,
}

const WORD: usize = 64;
const BLOCK_WORDS: usize = 8;
const BLOCK: usize = WORD * BLOCK_WORDS;

impl Ranks {
    /// Appends `count` positions that are in the set.
    pub(super) fn extend(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            if self.len.is_multiple_of(WORD) {
                self.words.push(0);
            }
            if self.len.is_multiple_of(BLOCK) {
                self.open_block();
            }
            let bit = self.len % WORD;
            let taken = left.min(WORD - bit);
            let ones = if taken == WORD { u64::MAX } else { (1 << taken) - 1 };
            self.words[self.len / WORD] |= ones << bit;
            self.add(self.len / BLOCK, |blocks| *blocks += taken);
            self.len += taken;
            left -= taken;
        }
    }

    /// Appends an empty block. Its tree node also counts the earlier blocks that it covers.
    fn open_block(&mut self) {
        let index = self.blocks.len() + 1;
        let covered = index & index.wrapping_neg();
        self.blocks.push(self.before_block(index - 1) - self.before_block(index - covered));
    }

    fn add(&mut self, block: usize, change: impl Fn(&mut usize)) {
        let mut index = block + 1;
        while index <= self.blocks.len() {
            change(&mut self.blocks[index - 1]);
            index += index & index.wrapping_neg();
        }
    }

    fn before_block(&self, block: usize) -> usize {
        let (mut index, mut sum) = (block, 0);
        while index > 0 {
            sum += self.blocks[index - 1];
            index &= index - 1;
        }
        sum
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        self.words.get(position / WORD).is_some_and(|word| word >> (position % WORD) & 1 == 1)
    }

    /// Removes a position from the set.
    pub(super) fn remove(&mut self, position: usize) {
        if self.contains(position) {
            self.words[position / WORD] &= !(1 << (position % WORD));
            self.add(position / BLOCK, |blocks| *blocks -= 1);
        }
    }

    /// Returns the number of members before a position.
    pub(super) fn before(&self, position: usize) -> usize {
        let position = position.min(self.len);
        let first = position / BLOCK * BLOCK_WORDS;
        let whole: usize = self.words[first..position / WORD].iter().map(|word| ones(*word)).sum();
        let part = self.words.get(position / WORD).map_or(0, |word| ones(word & ((1 << (position % WORD)) - 1)));
        self.before_block(position / BLOCK) + whole + part
    }

    /// Returns the members in ascending order, beginning with the one that has `rank` members before it.
    pub(super) fn starting_at_rank(&self, rank: usize) -> impl Iterator<Item = usize> {
        let start = self.select(rank);
        let mut index = start / WORD;
        let mut word = self.words.get(index).map_or(0, |word| word & (u64::MAX << (start % WORD)));
        std::iter::from_fn(move || {
            while word == 0 {
                index += 1;
                word = *self.words.get(index)?;
            }
            let position = index * WORD + word.trailing_zeros() as usize;
            word &= word - 1;
            Some(position)
        })
    }

    /// Returns the member that has `rank` members before it, or the length if there is none.
    fn select(&self, rank: usize) -> usize {
        let (mut block, mut left) = (0, rank);
        let mut step = self.blocks.len().next_power_of_two();
        while step > 0 {
            if let Some(&count) = self.blocks.get(block + step - 1)
                && count <= left
            {
                block += step;
                left -= count;
            }
            step /= 2;
        }
        let mut index = block * BLOCK_WORDS;
        while let Some(word) = self.words.get(index) {
            if ones(*word) > left {
                let word = (0..left).fold(*word, |word, _| word & (word - 1));
                return index * WORD + word.trailing_zeros() as usize;
            }
            left -= ones(*word);
            index += 1;
        }
        self.len
    }
}

fn ones(word: u64) -> usize {
    word.count_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_and_finds_as_a_plain_list_does(
            steps in prop::collection::vec((0..1_500_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..40)), 1..6),
            looks in prop::collection::vec(any::<prop::sample::Index>(), 20),
        ) {
            let (mut ranks, mut plain) = (Ranks::default(), Vec::new());
            for (more, removed) in steps {
                ranks.extend(more);
                plain.resize(plain.len() + more, true);
                for index in removed {
                    let position = index.index(plain.len() + 1);
                    ranks.remove(position);
                    if let Some(held) = plain.get_mut(position) {
                        *held = false;
                    }
                }
            }
            let held: Vec<usize> = (0..plain.len()).filter(|position| plain[*position]).collect();
            for look in looks {
                let position = look.index(plain.len() + 2);
                prop_assert_eq!(ranks.contains(position), plain.get(position) == Some(&true));
                prop_assert_eq!(ranks.before(position), held.iter().filter(|held| **held < position).count());
                let rank = look.index(held.len() + 2);
                prop_assert!(ranks.starting_at_rank(rank).eq(held.iter().skip(rank).copied()));
            }
        }
    }
}
