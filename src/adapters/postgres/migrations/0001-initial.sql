-- Times are integer epoch milliseconds by the leader's clock, as the books count them. `image` is the whole row as the domain has
-- it; the columns beside it are what queries and locks need. Names are the words of the design.

create table leader (
  one boolean primary key default true check (one),
  epoch bigint not null,
  holder text not null,
  until timestamptz not null
);
insert into leader (epoch, holder, until) values (0, '', '-infinity');

create table store (
  one boolean primary key default true check (one),
  -- Drawn when the database is created or restored: a reader with another one reads everything.
  feed_id uuid not null default gen_random_uuid(),
  queue_paused boolean not null default false,
  queue_reason text not null default ''
);
insert into store default values;

create table project (
  name text primary key,
  parent text references project,
  quota_gpus integer check (quota_gpus >= 0),
  max_priority text not null,
  version bigint not null default 1
);

create table budget (
  id text primary key,
  project text not null references project,
  unit text not null check (unit in ('gpu-ms', 'money')),
  currency text check ((unit = 'money') = (currency is not null)),
  hard boolean not null,
  "limit" bigint not null check ("limit" >= 0),
  used bigint not null default 0,
  reserved bigint not null default 0 check (reserved >= 0),
  "over" bigint not null default 0 check ("over" >= 0),
  version bigint not null default 1
);

-- A price counts for what is placed after it; what was placed before keeps its own.
create table price (
  gpu_model text primary key,
  micros_per_gpu_hour bigint not null check (micros_per_gpu_hour >= 0),
  currency text not null
);

create table policy (
  version bigint primary key generated always as identity,
  applied_at bigint not null,
  actor text not null,
  document jsonb not null
);

create table run (
  id text primary key,
  project text not null references project,
  name text not null,
  state text not null,
  created_at bigint not null,
  version bigint not null,
  image jsonb not null
);
-- A name is refused while a run of it lives.
create unique index run_name on run (project, name);

create table run_ended (
  id text primary key,
  project text not null references project,
  name text not null,
  state text not null,
  created_at bigint not null,
  version bigint not null,
  image jsonb not null
);
create index run_ended_name on run_ended (project, name, id desc);

create table run_spec (
  run text primary key,
  spec jsonb not null
);

create table attempt (
  id text primary key,
  run text not null,
  number integer not null,
  cluster text not null,
  living boolean not null,
  -- What is left of it on its cluster was removed.
  forgotten boolean not null default false,
  image jsonb not null,
  unique (run, number)
);
create index attempt_living on attempt (id) where living;
create index attempt_to_forget on attempt (id) where not living and not forgotten;

create table node (
  id text primary key,
  cluster text not null,
  name text not null,
  incarnation integer not null,
  booked_to bigint not null,
  last_observed bigint not null,
  version bigint not null,
  image jsonb not null,
  unique (cluster, name, incarnation)
);

-- What a node has, from when on: the capacity of a window is this integrated over it, and owes nothing to who held what.
create table inventory (
  node text not null references node,
  since bigint not null,
  slots integer not null,
  primary key (node, since)
);

create table claim (
  id bigint primary key generated always as identity,
  node text not null references node,
  holder text not null,
  run text not null,
  attempt text,
  placed_at bigint not null,
  released_at bigint,
  paid_until bigint,
  image jsonb not null
);
create unique index claim_living on claim (node, holder) where released_at is null;
create index claim_attempt on claim (attempt);
create index claim_run on claim (run);

create table reserve (
  run text not null,
  budget text not null references budget,
  granted bigint not null,
  posted bigint not null,
  charge numeric not null,
  primary key (run, budget)
);

-- Layer 1: who held how many slots of a node. For each node the rows sum to inventory x time.
create table held (
  node text not null,
  "from" bigint not null,
  "to" bigint not null check ("to" > "from"),
  holder text not null,
  slots integer not null check (slots > 0),
  primary key (node, "from", holder)
) partition by range ("from");
create table held_default partition of held default;
create index held_holder on held (holder, "from");

-- Layer 2: a revision is inserted first, its lines hang on it; that is the compare-and-set.
create table cell_revision (
  attempt text not null,
  cell bigint not null,
  revision integer not null check (revision > 0),
  posted_at bigint not null,
  primary key (attempt, cell, revision)
) partition by range (cell);
create table cell_revision_default partition of cell_revision default;

create table posting (
  attempt text not null,
  cell bigint not null,
  revision integer not null,
  account text not null,
  gpu_ms bigint not null check (gpu_ms <> 0),
  primary key (attempt, cell, revision, account),
  foreign key (attempt, cell, revision) references cell_revision
) partition by range (cell);
create table posting_default partition of posting default;

create table cell_summary (
  attempt text not null,
  cell bigint not null,
  revision integer not null,
  -- The newest step that has productive time in the cell.
  last_step bigint,
  summary jsonb not null,
  primary key (attempt, cell)
);

create table attempt_books (
  attempt text primary key,
  source text,
  posted_to bigint,
  dirty_from bigint,
  basis jsonb,
  closed boolean not null
);
create index attempt_books_open on attempt_books (attempt) where not closed or dirty_from is not null;

create table fact (
  source text not null,
  sequence bigint not null,
  attempt text not null,
  at bigint not null,
  sent_at bigint not null,
  body jsonb not null,
  primary key (source, sequence, sent_at)
) partition by range (sent_at);
create table fact_default partition of fact default;
create index fact_attempt on fact (attempt, at);

create table log_cursor (
  worker text primary key,
  attempt text not null,
  "offset" bigint not null default 0,
  last_line_at bigint,
  observed_to bigint,
  complete boolean not null default false
);
create index log_cursor_open on log_cursor (attempt) where not complete;
create index log_cursor_attempt on log_cursor (attempt);

create table log_chunk (
  worker text not null,
  "offset" bigint not null,
  next_offset bigint not null,
  written_at bigint not null,
  bytes bytea not null,
  primary key (worker, "offset", written_at)
) partition by range (written_at);
create table log_chunk_default partition of log_chunk default;

create table event (
  id bigint primary key generated always as identity,
  run text not null,
  at bigint not null,
  kind text not null,
  message text not null
);
create index event_run on event (run, id);

create table audit (
  id bigint generated always as identity,
  at bigint not null,
  actor text not null,
  verb text not null,
  target text not null,
  detail jsonb not null,
  primary key (id, at)
) partition by range (at);
create table audit_default partition of audit default;

create table request_key (
  caller text not null,
  key text not null,
  hash text not null,
  run text not null,
  created_at bigint not null,
  primary key (caller, key)
);

create table token (
  id text primary key,
  hash bytea not null unique,
  name text not null,
  subject text not null,
  role text not null,
  project text references project,
  created_at bigint not null,
  expires_at bigint,
  last_used_at bigint,
  revoked_at bigint
);

-- The books and the audit log are only added to, whoever is connected.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op);
end $$;
create trigger append_only before update or delete or truncate on held for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on cell_revision for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on posting for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on audit for each statement execute function refuse_change();

-- No balance of a cell is ever negative, checked in the statement that would make it so.
create function refuse_negative_balance() returns trigger language plpgsql as $$
declare
  bad record;
begin
  select p.attempt, p.cell, p.account, sum(p.gpu_ms) as balance into bad
    from posting p
    join (select distinct attempt, cell from added) a on p.attempt = a.attempt and p.cell = a.cell
    group by p.attempt, p.cell, p.account
    having sum(p.gpu_ms) < 0
    limit 1;
  if found then
    raise exception 'the balance of account % of attempt % in cell % would be %', bad.account, bad.attempt, bad.cell, bad.balance;
  end if;
  return null;
end $$;
create trigger no_negative_balance after insert on posting
  referencing new table as added for each statement execute function refuse_negative_balance();
