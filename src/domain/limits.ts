// Every queue, page, batch, name and retry has a limit, and all of them stand here with the reason.

/** A DNS label less the suffixes that we add (`-<attempt>-<worker>`). */
export const NAME_CHARS_MAX = 63
export const SPEC_BYTES_MAX = 256 * 1024
/** A gang: 8,192 workers of 8 GPUs is four times the largest published run. */
export const NODES_PER_RUN_MAX = 8_192
export const GPUS_PER_NODE_MAX = 64
export const LABELS_MAX = 16
export const LABEL_CHARS_MAX = 63
export const COMMAND_ARGS_MAX = 1_024
export const COMMAND_CHARS_MAX = 128 * 1024
export const ENV_VARS_MAX = 512
export const ENV_CHARS_MAX = 32 * 1024
export const SECRETS_MAX = 32
export const NOTIFY_MAX = 16
export const RESTARTS_MAX = 1_000
export const IDEMPOTENCY_KEY_CHARS_MAX = 255
/** Live runs: the world is read whole each turn. */
export const LIVE_RUNS_MAX = 100_000
/** Items in one transaction: keeps a commit short and its locks few. */
export const ITEMS_PER_COMMIT_MAX = 500
export const PAGE_ROWS_MAX = 1_000
export const PAGE_ROWS_DEFAULT = 100
/** Rows of one page of the table of runs: what a screen is scrolled through before the next page comes. */
export const TABLE_ROWS_MAX = 500
/** Bytes of one log chunk as stored, and of one read of a worker's log. */
export const LOG_CHUNK_BYTES_MAX = 256 * 1024
/** A log of which a line comes each second has a chunk for each; a page of it should not be four lines. */
export const LOG_CHUNKS_A_PAGE_MAX = 256
/** A log line longer than this is matched by its beginning only. */
export const LOG_LINE_CHARS_PARSED_MAX = 4_096
/** Workers of an attempt whose logs are followed (design: state, Logs). */
export const WORKERS_FOLLOWED_MAX = 256
/** The end of a log that is read of each worker of a gang that failed: a traceback and what came before it. */
export const TAIL_BYTES_MAX = 32 * 1024
/** Workers of a gang whose ends tell why it failed, those first that ended first: a culprit ends before its victims. */
export const FAILURE_WORKERS_MAX = 256
/** What is kept of the lines that told a failure: a screen. */
export const EVIDENCE_LINES_MAX = 5
export const EVIDENCE_CHARS_MAX = 500
/** Nodes that a run avoids: when more than these broke under it within a day it is hardly the nodes. */
export const AVOIDED_NODES_MAX = 16
/** One request to a cluster. A lease must outlast it, so that nobody acts who does not lead. */
export const REQUEST_MS_MAX = 5_000
/** One try to bring a notice to a channel, from its first look at the name to the end of the answer (Standard Webhooks: 15 to 30 s). */
export const DELIVERY_MS_MAX = 15_000
/** What is read of an answer of a channel: a sentence of what is wrong stands in it, not more. */
export const DELIVERY_ANSWER_BYTES_MAX = 4 * 1024
/** A line of a notice, as people read it. */
export const NOTICE_LINE_CHARS_MAX = 600
export const NOTICE_EVIDENCE_LINES_MAX = 12
/** ingest/v1: a batch as sent, and unpacked. */
export const REPORT_BYTES_MAX = 1024 * 1024
export const REPORT_BYTES_UNPACKED_MAX = 4 * 1024 * 1024
export const REPORT_FACTS_MAX = 1_000
export const STEPS_PER_MARK_MAX = 1_000_000
/** A batch that a reporter left in a log (docs/ingest-v1.md): its lines, what is kept of batches that are not whole, and its JSON unpacked. */
export const SPOOL_PARTS_MAX = 32
export const SPOOL_OPEN_CHARS_MAX = 1024 * 1024
export const SPOOL_BYTES_UNPACKED_MAX = 1024 * 1024
/** One frame of expert load: at most so many counts, whatever the layers and experts. */
export const FRAME_COUNTS_MAX = 131_072
export const FRAME_LAYERS_MAX = 1_024
/** A model has one set of layers, or a few where its ranks have different ones; one that has many names makes every look at its run slow. */
export const EXPERT_SETS_MAX = 64
export const EXPERTS_PER_LAYER_MAX = 4_096
/** Newest facts of an attempt that detectors look at: some hundred steps. */
export const SERIES_FACTS_MAX = 256
/** Durable checkpoints of a run that its statement reads: those of a month, one every ten minutes. */
export const SAVES_READ_MAX = 5_000
/** Points of a series or of a picture: more than a screen has columns. */
export const POINTS_MAX = 4_096
export const POINTS_DEFAULT = 1_000
/** Runs beside published ones: more than a screen is no comparison, and each is a statement to read. */
export const COMPARED_RUNS_MAX = 12
/** Runs that held most of a window, among which those with a model are looked for. */
export const COMPARED_RUNS_READ_MAX = 200
/** The books as one file: it is made in memory, and half of what a spreadsheet can show. */
export const EXPORT_ROWS_MAX = 500_000
/** FOCUS is read month by month: twenty years. */
export const EXPORT_MONTHS_MAX = 240
export const REQUEST_BYTES_MAX = 1024 * 1024
/** Alternatives that the search for a counterfactual tries: each costs one decision over the world. */
export const COUNTERFACTUALS_TRIED_MAX = 64
export const MESSAGE_CHARS_MAX = 2_000
/** A trace that is replayed. Its jobs may all wait at once, so there are no more of them than live runs. */
export const TRACE_BYTES_MAX = 64 * 1024 * 1024
export const TRACE_JOBS_MAX = 100_000
export const TRACE_LINE_CHARS_MAX = 4_096
export const TRACE_TEXT_CHARS_MAX = 128
export const TRACE_GPUS_MAX = NODES_PER_RUN_MAX * GPUS_PER_NODE_MAX
/** From the first submit to the last, and of one job: what is longer was written in another unit. */
export const TRACE_SPAN_S_MAX = 5 * 365 * 86_400
export const TRACE_DURATION_S_MAX = 366 * 86_400
/** Twenty are read and mended, then the file is read again. */
export const TRACE_PROBLEMS_SHOWN_MAX = 20
export const CLUSTER_NODES_MAX = 16_384
/** Nodes x cells of five minutes: each is a row of the books or more, and a replay holds them all in memory. */
export const REPLAY_CELLS_MAX = 8_000_000
/** One message: what more there is goes into the next one. */
export const NOTICE_ITEMS_MAX = 20
/** Messages that wait for a channel. Beyond, none is made: what fires then is told when there is room again. */
export const OUTBOX_MAX = 1_000
/** Silences that are not over, and channels: each look goes through all of them. */
export const SILENCES_MAX = 1_000
export const CHANNELS_MAX = 500
/** A silence always ends. */
export const SILENCE_MS_MAX = 31 * 86_400_000
/** A hundred years: the end of a token is a moment that ISO 8601 can write in four digits of a year. */
export const TOKEN_MS_MAX = 100 * 365 * 86_400_000
/** Groups of a person that are read: more are a provider that sends its whole directory. */
export const GROUPS_MAX = 1_000
/** The name of a person, as in a token; and one of a group. */
export const USER_CHARS_MAX = 100
export const CLAIM_CHARS_MAX = 256
export const GROUP_GRANTS_MAX = 1_000
/** One request to an identity provider; a sign-in makes four at most, while its person waits. */
export const PROVIDER_MS_MAX = 5_000
/** An answer of an identity provider: metadata, keys and tokens have some thousand. */
export const PROVIDER_BYTES_MAX = 1024 * 1024
/** From the click to the return: a password, a second factor, a call for help. */
export const SIGN_IN_MS_MAX = 600_000
/** Clocks of an identity provider and ours may differ by a minute; some seconds are for the way. */
export const PROVIDER_SKEW_S_MAX = 65
/** A path that a sign-in leads back to: a cookie has 4,096 bytes for it and what else is kept. */
export const RETURN_CHARS_MAX = 1_000
/** A session of a provider that is over is in the list of tokens for a day, and in the audit log for ever. */
export const SESSION_KEPT_MS = 86_400_000
