-- A budget covers the runs of a project, of a user, with a label, of a name: those for which all that it names is so.
alter table budget alter column project drop not null;
alter table budget add column submitter text;
alter table budget add column label_key text;
alter table budget add column label_value text;
alter table budget add column run_name text;
alter table budget add constraint budget_label check ((label_key is null) = (label_value is null));
alter table budget add constraint budget_scope
  check (project is not null or submitter is not null or label_key is not null);
