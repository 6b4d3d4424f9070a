#![cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;

use super::endpoint::Parts;
use super::received::Received;
use super::shared::Shared;
use super::state::State;
use crate::contract::UserId;

/// Several fakes behind one API. Each has its own users and syncs, so the user or the sync of a call tells which fake
/// the call is for.
#[derive(Clone)]
pub(super) struct Lanes {
    main: Arc<Shared>,
    others: Arc<RwLock<Others>>,
}

#[derive(Default)]
struct Others {
    all: Vec<Arc<Shared>>,
    /// Lanes that were already found, by the id of a sync or a user.
    found: HashMap<String, Arc<Shared>>,
}

impl Lanes {
    pub(super) fn new(main: Arc<Shared>) -> Self {
        Self { main, others: Arc::default() }
    }

    pub(super) fn open(&self, lane: Arc<Shared>) {
        self.others.write().unwrap_or_else(PoisonError::into_inner).all.push(lane);
    }

    pub(super) fn close(&self, lane: &Arc<Shared>) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.all.retain(|other| !Arc::ptr_eq(other, lane));
        others.found.retain(|_, other| !Arc::ptr_eq(other, lane));
    }

    /// Returns the state that a call is for: the one with the sync in the path, or else the one with the user of the
    /// token, or else the main one. The signature of the token is not verified here: the API verifies it.
    pub(super) fn of(&self, request: &Received<'_>) -> Arc<Shared> {
        if self.others.read().unwrap_or_else(PoisonError::into_inner).all.is_empty() {
            return self.main.clone();
        }
        let path = Parts::of(request.path);
        let by_sync = path.get(2).and_then(|id| self.find(id, |state| state.simulation.engine.get(&**id).is_some()));
        let by_user = || {
            let user = user(request)?;
            self.find(user.as_str(), |state| state.simulation.accounts.iter().any(|account| *account.user() == user))
        };
        by_sync.or_else(by_user).unwrap_or_else(|| self.main.clone())
    }

    fn find(&self, id: &str, has: impl Fn(&State) -> bool) -> Option<Arc<Shared>> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = others.found.get(id) {
            return Some(lane.clone());
        }
        let lane = others.all.iter().rev().find(|lane| has(&lane.lock()))?.clone();
        drop(others);
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.found.insert(id.to_owned(), lane.clone());
        Some(lane)
    }
}

/// Returns the user in a token, without verifying the signature.
fn user(request: &Received<'_>) -> Option<UserId> {
    let header = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let claims = header.split_whitespace().nth(1)?.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["sub"].as_str()?.into())
}
