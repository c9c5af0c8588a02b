-- What detectors found. One finding of a rule and subject is open at a time.
create table finding (
  id text primary key,
  key text not null,
  rule text not null,
  severity text not null,
  project text,
  run text,
  since bigint not null,
  resolved_at bigint,
  image jsonb not null
);
create unique index finding_open on finding (key) where resolved_at is null;
create index finding_run on finding (run) where run is not null;
create index finding_since on finding (since desc, id desc);

create trigger tell after insert or update on finding for each row execute function tell_row();
