-- Who signs in by an identity provider may have several roles, taken from his groups at each sign-in. A row with an identity is a session of
-- that person: `grants` counts, and `role` and `project` are the first of them. `sign_in` is the hash of what the browser brought back: no
-- sign-in makes two sessions.
alter table token add column grants jsonb;
alter table token add column identity text;
alter table token add column sign_in bytea unique;
alter table token add constraint token_session check ((identity is null) = (grants is null) and (identity is null) = (sign_in is null));
create index token_identity on token (identity) where identity is not null;
-- A project leaves the policy when nothing counts on it any more. That somebody once had a role in it keeps nothing alive.
alter table token drop constraint token_project_fkey;
