//! The members of an `impl` block, and the name and parameters of each function.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use crate::Fault;

/// An `impl TRAIT for TYPE { … }`.
pub(crate) struct Block {
    /// Everything before the braces: attributes, `impl`, the trait, `for`, the type.
    pub(crate) head: TokenStream,
    /// The trait's name, without its path.
    pub(crate) interface: String,
    /// The type.
    pub(crate) target: TokenStream,
    pub(crate) members: Vec<Member>,
}

/// One member of the block.
pub(crate) struct Member {
    pub(crate) tokens: TokenStream,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// `type NAME = …;`
    Type(String),
    Function(Function),
    Other,
}

pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) place: Span,
    pub(crate) is_async: bool,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter after `self`, by the name of its type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    Request,
    Response,
    Body,
    Chunk,
    Queue,
    Peer,
    State,
}

impl Block {
    /// Reads the item under the attribute.
    pub(crate) fn read(item: TokenStream) -> Result<Block, Fault> {
        let misplaced = || {
            let message = "`#[plugin]` must be on an `impl Plugin for X { … }`".to_owned();
            (Span::call_site(), message)
        };
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let Some(TokenTree::Group(body)) = head.pop() else {
            return Err(misplaced());
        };
        let Some(target) = head.iter().position(|token| is(token, "for")) else {
            return Err(misplaced());
        };
        let interface = head[..target].last().map(ToString::to_string).unwrap_or_default();
        Ok(Block {
            interface,
            target: head[target + 1..].iter().cloned().collect(),
            head: head.into_iter().collect(),
            members: members(&body),
        })
    }

    pub(crate) fn has_type(&self, name: &str) -> bool {
        let is_it = |member: &Member| matches!(&member.kind, Kind::Type(known) if known == name);
        self.members.iter().any(is_it)
    }
}

/// The members. Each ends with a semicolon or its block.
fn members(body: &Group) -> Vec<Member> {
    let mut members = Vec::new();
    let mut current: Vec<TokenTree> = Vec::new();
    for token in body.stream() {
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace && current.iter().any(|token| is(token, "fn"))
            }
            _ => false,
        };
        current.push(token);
        if ends {
            members.push(member(std::mem::take(&mut current)));
        }
    }
    if !current.is_empty() {
        members.push(member(current));
    }
    members
}

fn member(tokens: Vec<TokenTree>) -> Member {
    let kind = function(&tokens).map(Kind::Function).unwrap_or_else(|| {
        let name = tokens.windows(2).find(|pair| is(&pair[0], "type"));
        name.map_or(Kind::Other, |pair| Kind::Type(pair[1].to_string()))
    });
    Member {
        tokens: tokens.into_iter().collect(),
        kind,
    }
}

fn function(tokens: &[TokenTree]) -> Option<Function> {
    let at = tokens.iter().position(|token| is(token, "fn"))?;
    let name = tokens.get(at + 1)?;
    let list = tokens[at + 1..].iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    })?;
    Some(Function {
        name: name.to_string(),
        place: name.span(),
        is_async: tokens[..at].iter().any(|token| is(token, "async")),
        parameters: parameters(list),
    })
}

fn parameters(list: &Group) -> Vec<Parameter> {
    let mut parameters = vec![Vec::new()];
    let mut depth = 0usize;
    for token in list.stream() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth = depth.saturating_sub(1),
            TokenTree::Punct(punct) if punct.as_char() == ',' && depth == 0 => {
                parameters.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parameters.last_mut() {
            last.push(token);
        }
    }
    let typed = parameters
        .iter()
        .filter(|tokens| !tokens.is_empty() && !tokens.iter().any(|token| is(token, "self")));
    typed.map(|tokens| parameter(tokens)).collect()
}

fn parameter(tokens: &[TokenTree]) -> Parameter {
    let kinds = [
        ("Request", Parameter::Request),
        ("Response", Parameter::Response),
        ("Body", Parameter::Body),
        ("Chunk", Parameter::Chunk),
        ("Queue", Parameter::Queue),
        ("Peer", Parameter::Peer),
    ];
    let is_of = |name: &str| tokens.iter().any(|token| is(token, name));
    let found = kinds.into_iter().find(|(name, _)| is_of(name));
    found.map_or(Parameter::State, |(_, kind)| kind)
}

fn is(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}
