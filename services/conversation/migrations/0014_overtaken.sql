-- What was decided without a lock is saved as long as nobody was faster.

-- Fails unless as many rows are what they were as there should be; otherwise false.
create function conversation.overtaken(unchanged bigint, wanted bigint) returns boolean
    language plpgsql as
$$
begin
    if unchanged <> wanted then
        raise exception 'somebody was faster' using errcode = 'serialization_failure';
    end if;
    return false;
end
$$;
