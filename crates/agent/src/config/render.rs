//! Problems as people and as programs read them.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};
use policy::{Problem, Problems, Severity, Sources, Span};
use serde::Serialize;

/// Bytes that are underlined at most, and bytes of the line that are shown on either side.
const UNDERLINED: usize = 80;
const AROUND: usize = 60;

/// Problems that are shown to people; behind so many nobody reads on.
const MOST_SHOWN: usize = 100;

/// All problems with the text that each is about, underlined.
pub fn text(problems: &Problems, sources: &Sources, colours: bool) -> String {
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    let mut more = 0;
    // Errors have precedence, in their places among the warnings.
    let mut room = [MOST_SHOWN.saturating_sub(problems.errors()), MOST_SHOWN];
    for problem in problems.iter() {
        let room = &mut room[usize::from(problem.severity == Severity::Error)];
        if *room == 0 {
            more += 1;
            continue;
        }
        *room -= 1;
        let mut rendered = renderer.render(&[group(problem, sources)]);
        let also = problem.also.as_ref().map(|(at, _)| *at);
        for excerpt in problem.at.into_iter().chain(also).map(|at| Excerpt::new(at, sources)) {
            rendered =
                rendered.replacen(&excerpt.place(excerpt.shown_column()), &excerpt.place(excerpt.column), 1);
        }
        text.extend(rendered.chars().map(|c| if is_c1(c) { char::REPLACEMENT_CHARACTER } else { c }));
        text += "\n\n";
    }
    if more > 0 {
        text += &format!("{more} more are not shown\n\n");
    }
    text
}

/// Control characters that the renderer lets through, and that some terminals obey: U+009B is as good as escape and bracket
/// (ECMA-48, 5.4).
const fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

fn group<'a>(problem: &'a Problem, sources: &'a Sources) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&problem.message));
    if let Some(at) = problem.at {
        group = group.element(Excerpt::new(at, sources).snippet(AnnotationKind::Primary, None));
    }
    if let Some((at, label)) = &problem.also {
        group = group.element(Excerpt::new(*at, sources).snippet(AnnotationKind::Context, Some(label)));
    }
    match &problem.hint {
        Some(hint) => group.element(Level::HELP.message(hint)),
        None => group,
    }
}

/// As much of a line as is good to read: lists can be a megabyte in one line.
struct Excerpt {
    path: String,
    number: usize,
    /// In the file's line.
    column: usize,
    text: String,
    /// What is underlined of `text`.
    mark: Range<usize>,
}

impl Excerpt {
    fn new(at: Span, sources: &Sources) -> Self {
        let (number, column) = sources.line_column(at);
        let Line { text, mark } = line(at, sources);
        let end = mark.end.min(text.floor_char_boundary(mark.start + UNDERLINED)).max(mark.start);
        let from = if mark.start > 2 * AROUND { text.ceil_char_boundary(mark.start - AROUND) } else { 0 };
        let to = text.floor_char_boundary(end + AROUND);
        let (left, right) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
        let shift = |place: usize| place - from + left.len();
        Self {
            path: sources.path(at).display().to_string(),
            number,
            column,
            mark: shift(mark.start)..shift(end),
            text: format!("{left}{}{right}", &text[from..to]),
        }
    }

    fn snippet(self, kind: AnnotationKind, label: Option<&str>) -> Snippet<'_, Annotation<'_>> {
        let annotation = kind.span(self.mark).label(label);
        Snippet::source(self.text).line_start(self.number).path(self.path).annotation(annotation)
    }

    /// The column that the renderer takes it for, which knows the excerpt only.
    fn shown_column(&self) -> usize {
        self.text[..self.mark.start].chars().count() + 1
    }

    fn place(&self, column: usize) -> String {
        format!("{}:{}:{column}", self.path, self.number)
    }
}

/// The first line that a span touches.
struct Line<'a> {
    text: &'a str,
    /// The span in it.
    mark: Range<usize>,
}

fn line(at: Span, sources: &Sources) -> Line<'_> {
    let whole = sources.get(at.source).text.as_str();
    let start = whole.floor_char_boundary(at.start);
    let end = whole.ceil_char_boundary(at.end.max(start));
    let from = whole[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let to = whole[start..].find('\n').map_or(whole.len(), |newline| start + newline);
    let text = whole[from..to].trim_end_matches('\r');
    let within = |place: usize| (place - from).min(text.len());
    Line { text, mark: within(start)..within(end) }
}

/// A problem in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub severity: &'static str,
    pub message: String,
    /// `null`: the configuration as a whole.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
    /// The column behind the last character, in the same line.
    pub end_column: Option<usize>,
    /// What the problem is about, in its first line.
    pub text: Option<String>,
    pub hint: Option<String>,
    /// Another place that has to do with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<Also>,
}

/// The other place of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Also {
    pub message: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
}

/// All problems, for JSON.
pub fn reports(problems: &Problems, sources: &Sources) -> Vec<Report> {
    problems.iter().map(|problem| report(problem, sources)).collect()
}

fn report(problem: &Problem, sources: &Sources) -> Report {
    let place = problem.at.map(|at| {
        let (number, column) = sources.line_column(at);
        let Line { text, mark } = line(at, sources);
        let marked = &text[mark];
        let end_column = column + marked.chars().count();
        let cut = &marked[..marked.floor_char_boundary(UNDERLINED)];
        (sources.path(at).display().to_string(), number, column, end_column, cut.to_owned())
    });
    let also = problem.also.as_ref().map(|(at, message)| {
        let (line, column) = sources.line_column(*at);
        Also { message: message.clone(), file: sources.path(*at).display().to_string(), line, column }
    });
    let (file, line, column, end_column, text) = match place {
        Some((file, line, column, end, text)) => {
            (Some(file), Some(line), Some(column), Some(end), Some(text))
        }
        None => (None, None, None, None, None),
    };
    Report {
        severity: problem.severity.name(),
        message: problem.message.clone(),
        file,
        line,
        column,
        end_column,
        text,
        hint: problem.hint.clone(),
        also,
    }
}
