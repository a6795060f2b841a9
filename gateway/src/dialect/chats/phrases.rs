//! What a chat's status is called to the end user.

use super::words::ChatStatus;

/// In the order of the sentences below.
const LANGUAGES: [&str; 5] = ["en", "it", "de", "fr", "es"];

/// A sentence for the end user, in the language of the chat (ISO 639 or BCP 47) or else in English.
pub(super) fn status_text(status: ChatStatus, lang: &str) -> &'static str {
    let primary = lang.split(['-', '_']).next().unwrap_or_default();
    let known = LANGUAGES
        .iter()
        .position(|known| known.eq_ignore_ascii_case(primary))
        .unwrap_or_default();
    sentences(status)[known]
}

fn sentences(status: ChatStatus) -> [&'static str; LANGUAGES.len()] {
    match status {
        ChatStatus::Queued => [
            "You are in the queue. An agent will be with you soon.",
            "Sei in coda. Un operatore sarà presto da te.",
            "Sie sind in der Warteschlange. Bald ist jemand für Sie da.",
            "Vous êtes dans la file d'attente. Un agent vous répondra bientôt.",
            "Está en la cola. Un agente le atenderá pronto.",
        ],
        ChatStatus::Assigned => [
            "You are chatting with an agent.",
            "Stai chattando con un operatore.",
            "Sie chatten mit einem Menschen aus unserem Team.",
            "Vous discutez avec un agent.",
            "Está chateando con un agente.",
        ],
        ChatStatus::VaAssigned => [
            "You are chatting with our virtual agent.",
            "Stai chattando con il nostro agente virtuale.",
            "Sie chatten mit unserem virtuellen Assistenten.",
            "Vous discutez avec notre agent virtuel.",
            "Está chateando con nuestro agente virtual.",
        ],
        ChatStatus::Dismissed | ChatStatus::VaDismissed => [
            "The chat is paused. Write a message to go on.",
            "La chat è in pausa. Scrivi un messaggio per continuare.",
            "Der Chat pausiert. Schreiben Sie eine Nachricht, um ihn fortzusetzen.",
            "La discussion est en pause. Écrivez un message pour continuer.",
            "El chat está en pausa. Escriba un mensaje para continuar.",
        ],
        ChatStatus::Finished => [
            "The chat has ended.",
            "La chat è terminata.",
            "Der Chat ist beendet.",
            "La discussion est terminée.",
            "El chat ha terminado.",
        ],
        ChatStatus::Canceled => [
            "The chat ended before anybody could answer.",
            "La chat è terminata prima che qualcuno potesse rispondere.",
            "Der Chat wurde beendet, bevor jemand antworten konnte.",
            "La discussion s'est terminée avant qu'on puisse vous répondre.",
            "El chat terminó antes de que alguien pudiera responder.",
        ],
        ChatStatus::NoResponse => [
            "The chat ended because nobody wrote anything.",
            "La chat è terminata perché nessuno ha scritto.",
            "Der Chat wurde beendet, weil niemand etwas geschrieben hat.",
            "La discussion s'est terminée car personne n'a écrit.",
            "El chat terminó porque nadie escribió.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Word as _;

    #[test]
    fn a_status_is_told_in_the_chats_language_or_else_in_english() {
        for (lang, sentence) in [
            ("en", "The chat has ended."),
            ("it", "La chat è terminata."),
            ("it-CH", "La chat è terminata."),
            ("DE_at", "Der Chat ist beendet."),
            ("fr", "La discussion est terminée."),
            ("es-419", "El chat ha terminado."),
            ("ja", "The chat has ended."),
            ("", "The chat has ended."),
        ] {
            assert_eq!(status_text(ChatStatus::Finished, lang), sentence, "{lang}");
        }
    }

    #[test]
    fn every_status_is_a_sentence_in_every_language() {
        for (word, status) in ChatStatus::ALL {
            for lang in LANGUAGES {
                let sentence = status_text(*status, lang);
                assert!(sentence.ends_with('.') && sentence.contains(' '), "{word} {lang}");
            }
        }
    }
}
