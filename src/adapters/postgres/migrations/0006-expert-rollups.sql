-- Roll-ups of expert load, and what is known of a set of layers without a look at its frames.

-- Counts layer by layer, so that one layer can be read alone: where each layer ends. Null: a frame of before, planes of bytes deflated.
alter table expert_frame add column ends integer[];

alter table expert_layers
  add column experts integer,
  add column top_k integer,
  add column first_step bigint,
  add column last_step bigint,
  add column last_at bigint,
  add column frames bigint not null default 0,
  add column ranks integer not null default 0,
  add column unconserved bigint not null default 0,
  -- Its run was told once that these counts do not add up.
  add column told boolean not null default false;

update expert_layers l set experts = f.experts, top_k = f.top_k
from (select attempt, layers, max(experts) as experts, max(top_k) as top_k from expert_frame group by attempt, layers) f
where f.attempt = l.attempt and f.layers = l.layers;

update expert_layers l set first_step = m.first_step, last_step = m.last_step, last_at = m.last_at, frames = m.frames, ranks = m.ranks,
  unconserved = m.unconserved
from (
  select attempt, layers, min(step) as first_step, max(step) as last_step, max(at) as last_at, count(*) as frames, max(ranks) as ranks,
    count(*) filter (where unconserved > 0) as unconserved
  from expert_measure group by attempt, layers) m
where m.attempt = l.attempt and m.layers = l.layers;

create index expert_measure_unconserved on expert_measure (attempt, layers, step) where unconserved > 0;

-- Steps from block x 2^level on, 2^level of them. `measures` and `loads` as src/adapters/postgres/expert-codec.ts says.
create table expert_rollup (
  attempt text not null,
  layers text not null,
  level integer not null,
  block bigint not null,
  frames integer not null,
  measures bytea not null,
  loads bytea,
  primary key (attempt, layers, level, block)
);
alter table expert_rollup alter column measures set storage external;
alter table expert_rollup alter column loads set storage external;

-- Blocks to be built, or built anew. `touched` is the transaction that asked last.
create table expert_pending (
  attempt text not null,
  layers text not null,
  level integer not null,
  block bigint not null,
  touched bigint not null,
  at bigint not null,
  primary key (attempt, layers, level, block)
);
create index expert_pending_due on expert_pending (level, at);

insert into expert_pending (attempt, layers, level, block, touched, at)
select attempt, layers, 8, step / 256, 0, max(at) from expert_measure group by attempt, layers, step / 256;
