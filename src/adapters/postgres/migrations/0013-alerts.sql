-- Who is told of findings, what he was told, and the outbox.
create table channel (
  id text primary key,
  name text not null,
  removed_at bigint,
  failures integer not null default 0,
  retry_at bigint,
  off text,
  image jsonb not null
);
create unique index channel_name on channel (name) where removed_at is null;

create table silence (
  id text primary key,
  ends_at bigint not null,
  image jsonb not null
);
create index silence_ends on silence (ends_at);

create table acknowledgement (
  finding text primary key,
  at bigint not null,
  image jsonb not null
);

create table told (
  channel text not null,
  key text not null,
  finding text not null,
  state text not null,
  severity text not null,
  at bigint not null,
  primary key (channel, key)
);

create table notice (
  id text primary key,
  channel text not null,
  made_at bigint not null,
  state text not null default 'pending',
  tries integer not null default 0,
  ended_at bigint,
  runs text[] not null,
  image jsonb not null
);
create index notice_pending on notice (channel, made_at, id) where state = 'pending';
create index notice_made on notice (made_at desc, id desc);
create index notice_runs on notice using gin (runs);

create table delivery (
  notice text not null references notice (id) on delete cascade,
  try integer not null,
  at bigint not null,
  took_ms integer not null,
  ok boolean not null,
  said text not null,
  primary key (notice, try)
);

create index attempt_run on attempt (run, number desc) where not living;
create index run_ended_failed on run_ended (((image->>'endedAt')::bigint) desc) where state = 'failed';
