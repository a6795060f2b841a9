//! People: agents, virtual agents and end users.

use platform::fault::Violation;
use platform::time::Time;
use uuid::Uuid;

/// The two kinds of people: addresses, numbers and external ids are unique among people of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Agent,
    EndUser,
}

impl Kind {
    /// What it is called in the texts of failures.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::EndUser => "EndUser",
        }
    }
}

/// What a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) is_agent: bool,
    pub(crate) is_end_user: bool,
    /// A virtual agent, which is an agent too.
    pub(crate) is_virtual: bool,
}

impl Roles {
    pub(crate) const AGENT: Self = Self {
        is_agent: true,
        is_end_user: false,
        is_virtual: false,
    };
    pub(crate) const END_USER: Self = Self {
        is_agent: false,
        is_end_user: true,
        is_virtual: false,
    };
    pub(crate) const VIRTUAL_AGENT: Self = Self {
        is_agent: true,
        is_end_user: false,
        is_virtual: true,
    };

    /// The kind among which the person is unique.
    pub(crate) fn kind(self) -> Kind {
        if self.is_agent { Kind::Agent } else { Kind::EndUser }
    }

    /// Whether somebody with these roles can stand in for one with those.
    pub(crate) fn include(self, wanted: Self) -> bool {
        self.is_agent >= wanted.is_agent
            && self.is_end_user >= wanted.is_end_user
            && self.is_virtual >= wanted.is_virtual
    }
}

/// The role every agent has.
pub(crate) const AGENT_ROLE: &str = "Agent";

/// What is said of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) display_name: Option<String>,
    pub(crate) email: Option<String>,
    /// E.164.
    pub(crate) phone_number: Option<String>,
    pub(crate) additional_emails: Vec<String>,
    pub(crate) additional_phone_numbers: Vec<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) middle_names: Vec<String>,
    pub(crate) avatar_url: Option<String>,
    /// Of an end user.
    pub(crate) external_id: Option<String>,
}

impl Profile {
    /// Takes the named fields over from another profile, or all of them when none is named.
    pub(crate) fn take(&mut self, mut from: Self, fields: &[String]) -> Result<(), Violation> {
        if fields.is_empty() {
            *self = from;
            return Ok(());
        }
        for field in fields {
            match field.as_str() {
                "display_name" => self.display_name = from.display_name.take(),
                "email" => self.email = from.email.take(),
                "phone_number" => self.phone_number = from.phone_number.take(),
                "additional_emails" => self.additional_emails = std::mem::take(&mut from.additional_emails),
                "additional_phone_numbers" => {
                    self.additional_phone_numbers = std::mem::take(&mut from.additional_phone_numbers);
                }
                "first_name" => self.first_name = from.first_name.take(),
                "last_name" => self.last_name = from.last_name.take(),
                "middle_names" => self.middle_names = std::mem::take(&mut from.middle_names),
                "avatar_url" => self.avatar_url = from.avatar_url.take(),
                "external_id" => self.external_id = from.external_id.take(),
                _ => return Err(Violation::new("fields", "must be names of fields of a person")),
            }
        }
        Ok(())
    }

    /// Whether it says what it has to say of one of that kind.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Violation> {
        if kind == Kind::EndUser {
            return Ok(());
        }
        for (field, there) in [
            ("display_name", self.display_name.is_some()),
            ("email", self.email.is_some()),
        ] {
            if !there {
                return Err(Violation::new(field, "must not be empty"));
            }
        }
        if self.external_id.is_some() {
            return Err(Violation::new("external_id", "must not be set for an agent"));
        }
        Ok(())
    }
}

/// Somebody.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    /// Unique among all people of all organizations.
    pub(crate) number: i64,
    pub(crate) roles: Roles,
    /// Of an agent: `Agent`, `SystemAdmin`, `TeamLead`, `Admin`.
    pub(crate) agent_roles: Vec<String>,
    pub(crate) profile: Profile,
    pub(crate) created_at: Time,
    pub(crate) anonymized_at: Option<Time>,
}

/// What somebody else of the same kind has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    /// Who has it.
    pub(crate) holder: Uuid,
    /// `EmailExists`, `PhoneNumberExists` or `ExternalIdExists`.
    pub(crate) error: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Profile {
        Profile {
            display_name: Some(name.to_owned()),
            email: Some(format!("{name}@example.com")),
            ..Profile::default()
        }
    }

    #[test]
    fn only_named_fields_are_taken_over_and_all_without_a_name() {
        let mut profile = named("ada");
        profile.take(named("bob"), &["display_name".to_owned()]).unwrap();
        assert_eq!(profile.display_name.as_deref(), Some("bob"));
        assert_eq!(profile.email.as_deref(), Some("ada@example.com"));
        profile.take(Profile::default(), &[]).unwrap();
        assert_eq!(profile, Profile::default());
        let wrong = profile.take(named("bob"), &["id".to_owned()]).unwrap_err();
        assert_eq!(wrong.field, "fields");
    }

    #[test]
    fn a_virtual_agent_stands_in_for_an_agent_but_not_the_other_way_round() {
        assert!(Roles::VIRTUAL_AGENT.include(Roles::AGENT));
        assert!(!Roles::AGENT.include(Roles::VIRTUAL_AGENT));
        assert!(!Roles::AGENT.include(Roles::END_USER));
    }
}
