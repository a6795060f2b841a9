-- Conversations that an end user had before somebody else did: what they say of him goes with him.
create index activity_log_former on conversation.activity_log (org_id, (attributes -> 'oldUser' ->> 'id'), conversation_id)
    where type = 'ConversationEndUserReplaced';
