use http::Method;

use crate::fake::endpoint::{Parts, leads_to};

macro_rules! routes {
    ($($name:ident $method:ident $path:literal)*) => {
        /// An endpoint of the admin API. Its name is the `operationId` in `schemas/admin.yaml`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Route {
            $($name,)*
        }

        impl Route {
            const ALL: &[(Self, &str, Method, &str)] = &[$((Self::$name, stringify!($name), Method::$method, $path),)*];
        }
    };
}

routes! {
    GetHealth GET "/_testkit/health"
    ExportState GET "/_testkit/state"
    ImportState PUT "/_testkit/state"
    Reset POST "/_testkit/reset"
    ListUsers GET "/_testkit/users"
    CreateToken POST "/_testkit/tokens"
    ListAccounts GET "/_testkit/accounts"
    CreateAccount POST "/_testkit/accounts"
    ListObjects GET "/_testkit/accounts/{credentialId}/objects"
    CreateObject POST "/_testkit/accounts/{credentialId}/objects"
    UpdateObject PATCH "/_testkit/accounts/{credentialId}/objects/{externalId}"
    DeleteObject DELETE "/_testkit/accounts/{credentialId}/objects/{externalId}"
    SetAccess POST "/_testkit/accounts/{credentialId}/objects/{externalId}/access"
    SetUnreadable POST "/_testkit/accounts/{credentialId}/objects/{externalId}/unreadable"
    ShareObject POST "/_testkit/accounts/{credentialId}/objects/{externalId}/share"
    UnshareObject POST "/_testkit/accounts/{credentialId}/objects/{externalId}/unshare"
    FillAccount POST "/_testkit/accounts/{credentialId}/fill"
    AddTrouble POST "/_testkit/accounts/{credentialId}/trouble"
    EndTroubles DELETE "/_testkit/accounts/{credentialId}/trouble"
    ListSyncs GET "/_testkit/syncs"
    CreateSync POST "/_testkit/syncs"
    GetSync GET "/_testkit/syncs/{syncId}"
    DeleteSync DELETE "/_testkit/syncs/{syncId}"
    ListRecords GET "/_testkit/syncs/{syncId}/records"
    GetSyncLog GET "/_testkit/syncs/{syncId}/log"
    ListUnfetched GET "/_testkit/syncs/{syncId}/unfetched"
    RunSync POST "/_testkit/syncs/{syncId}/run"
    DisableSync POST "/_testkit/syncs/{syncId}/disable"
    ReenableSync POST "/_testkit/syncs/{syncId}/reenable"
    GetClock GET "/_testkit/clock"
    AdvanceClock POST "/_testkit/clock/advance"
    NextDue POST "/_testkit/clock/next"
    RunUntilIdle POST "/_testkit/clock/idle"
    Settle POST "/_testkit/clock/settle"
    GetWebhook GET "/_testkit/webhook"
    SetWebhook PUT "/_testkit/webhook"
    EnableWebhook POST "/_testkit/webhook/enable"
    DisableWebhook POST "/_testkit/webhook/disable"
    SendEvent POST "/_testkit/events"
    ListDeliveries GET "/_testkit/deliveries"
    ExplainDelivery GET "/_testkit/deliveries/{deliveryId}"
    GetTimeline GET "/_testkit/timeline"
    ListAdversities GET "/_testkit/adversities"
    AddAdversity POST "/_testkit/adversities"
    EndAdversities DELETE "/_testkit/adversities"
    ListFaults GET "/_testkit/faults"
    AddFault POST "/_testkit/faults"
    EndFaults DELETE "/_testkit/faults"
    EndFault DELETE "/_testkit/faults/{faultId}"
    PlayScenario POST "/_testkit/scenario"
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        Self::at(path).find(|(_, of, _)| of == method).map(|(route, ..)| route)
    }

    /// Returns the methods that a path accepts.
    pub(super) fn methods(path: &str) -> Vec<String> {
        Self::at(path).map(|(_, method, _)| method.to_string()).collect()
    }

    fn at(path: &str) -> impl Iterator<Item = (Self, Method, &'static str)> {
        let path = Parts::of(path);
        let here = Self::ALL.iter().filter(move |(.., template)| leads_to(&path, template));
        here.map(|(route, name, method, _)| (*route, method.clone(), *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_published_description() {
        let (mut path, mut method, mut described) = (String::new(), String::new(), Vec::new());
        for line in crate::contract::ADMIN_API.lines() {
            if let Some(name) = line.strip_prefix("  /").and_then(|name| name.strip_suffix(':')) {
                path = format!("/{name}");
            } else if let Some(name) = line.strip_prefix("      operationId: ") {
                described.push((name.to_owned(), method.to_uppercase(), path.clone()));
            } else if line.starts_with("    ") && !line.starts_with("     ") {
                line.trim().trim_end_matches(':').clone_into(&mut method);
            }
        }
        let mut routes: Vec<_> = Route::ALL
            .iter()
            .map(|(_, name, method, path)| {
                (name[..1].to_lowercase() + &name[1..], method.to_string(), (*path).to_owned())
            })
            .collect();
        described.sort();
        routes.sort();
        assert_eq!(described, routes);
    }

    #[test]
    fn each_path_leads_to_its_own_route() {
        for (route, _, method, path) in Route::ALL {
            assert_eq!(Route::of(method, path), Some(*route), "{path}");
        }
        assert_eq!(Route::methods("/_testkit/state"), ["GET", "PUT"]);
        assert_eq!(Route::of(&Method::GET, "/_testkit"), None);
    }
}
