-- What an end user wrote in conversations of others is anonymized by requests of its own: the one that waits for them.
alter table conversation.anonymizations add column parent_id uuid;
