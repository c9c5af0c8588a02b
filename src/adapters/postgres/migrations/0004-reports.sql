-- What reporters inside training jobs send: facts go where all facts are; here is who spoke and how far he is known, and expert load as
-- it came.
create table report_source (
  attempt text not null,
  rank integer not null,
  process text not null,
  started_at bigint not null,
  reporter text not null,
  obeys text[] not null,
  last_at bigint,
  -- Up to here its silence is silence: when its newest batch was received.
  observed_to bigint not null,
  primary key (attempt, rank, process)
);

-- The names of layers, once for each set of them: a frame of 58 layers would carry more names than news.
create table expert_layers (
  attempt text not null,
  layers text not null,
  names text[] not null,
  primary key (attempt, layers)
);

-- One row for what one rank sent of one step; never a row for an expert. `counts` is deflated.
create table expert_frame (
  attempt text not null,
  step bigint not null,
  layers text not null,
  rank integer not null,
  process text not null,
  started_at bigint not null,
  at bigint not null,
  experts integer not null,
  tokens bigint,
  top_k integer,
  flags text[] not null,
  counts bytea not null,
  primary key (attempt, layers, step, rank)
);
alter table expert_frame alter column counts set storage external;

-- Of the sum over ranks: for each layer max, cv, entropy, dead, hot as 32-bit floats; NaN where a layer got no token.
create table expert_measure (
  attempt text not null,
  step bigint not null,
  layers text not null,
  at bigint not null,
  ranks integer not null,
  measures bytea not null,
  unconserved integer not null,
  primary key (attempt, layers, step)
);
