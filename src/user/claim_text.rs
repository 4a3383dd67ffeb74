//! A decoded text, and spans into it: one allocation instead of one for each claim.

use std::ops::Range;

/// A part of a [`Text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// A run of spans in a [`Text`]: the members of an array.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpanList {
    first: u32,
    end: u32,
}

/// The text of an identity, with the spans in it.
///
/// A string that is not literally in the text (with escapes) is appended to it.
#[derive(Debug, Default)]
pub(crate) struct Text {
    content: String,
    original: usize,
    spans: Vec<Span>,
}

impl Text {
    /// The original text, without appended parts.
    pub(crate) fn original(&self) -> &str {
        self.content.get(..self.original).unwrap_or_default()
    }

    pub(crate) fn get(&self, span: Span) -> &str {
        // A span is only made by a `TextReader` of this very text.
        self.content
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Appends a part that is not in the text, and returns its span.
    pub(crate) fn append(&mut self, part: &str) -> Span {
        let start = self.content.len();
        self.content.push_str(part);
        Span {
            start: bounded(start),
            end: bounded(self.content.len()),
        }
    }

    pub(crate) fn list(&self, list: SpanList) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.spans
            .get(list.first as usize..list.end as usize)
            .unwrap_or_default()
            .iter()
            .map(|span| self.get(*span))
    }
}

/// Collects spans while the text is being parsed.
#[derive(Debug)]
pub(crate) struct TextReader {
    base: usize,
    length: usize,
    appended: String,
    spans: Vec<Span>,
}

impl TextReader {
    /// A reader of `text`, which must be the text that is passed to [`finish`](Self::finish).
    pub(crate) fn new(text: &str) -> Self {
        Self {
            base: text.as_ptr() as usize,
            length: text.len(),
            appended: String::new(),
            spans: Vec::new(),
        }
    }

    /// The span of `part`, which can be borrowed from the text or not.
    pub(crate) fn span(&mut self, part: &str) -> Span {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.base);
        let inside = offset <= self.length && part.len() <= self.length - offset;
        let start = if inside {
            offset
        } else {
            self.appended.push_str(part);
            self.length + self.appended.len() - part.len()
        };
        Span {
            start: bounded(start),
            end: bounded(start + part.len()),
        }
    }

    /// Adds a member to the list that is being read.
    pub(crate) fn push(&mut self, part: &str) {
        if self.spans.capacity() == 0 {
            // Audience, three roles and four methods: room for most tokens at once.
            self.spans.reserve_exact(8);
        }
        let span = self.span(part);
        self.spans.push(span);
    }

    /// The start of the next list.
    pub(crate) fn mark(&self) -> usize {
        self.spans.len()
    }

    /// The list of all parts that were pushed since `mark`.
    pub(crate) fn list_since(&self, mark: usize) -> SpanList {
        let Range { start, end } = mark..self.spans.len();
        SpanList {
            first: bounded(start),
            end: bounded(end),
        }
    }

    pub(crate) fn finish(self, mut text: String) -> Text {
        debug_assert_eq!(
            (text.as_ptr() as usize, text.len()),
            (self.base, self.length)
        );
        if !self.appended.is_empty() {
            text.push_str(&self.appended);
        }
        Text {
            content: text,
            original: self.length,
            spans: self.spans,
        }
    }
}

/// Texts are bounded far below 4 GiB; a longer one would yield empty spans, never wrong ones.
fn bounded(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::TextReader;

    #[test]
    fn borrowed_and_owned_parts_are_found_again() {
        let text = String::from("one two");
        let mut reader = TextReader::new(&text);
        let two = reader.span(&text[4..]);
        let three = reader.span(&String::from("three"));
        let mark = reader.mark();
        reader.push(&text[..3]);
        reader.push("four");
        let list = reader.list_since(mark);
        let text = reader.finish(text);
        assert_eq!(text.get(two), "two");
        assert_eq!(text.get(three), "three");
        assert_eq!(text.list(list).collect::<Vec<_>>(), ["one", "four"]);
    }
}
