import { z } from 'zod'

/** A problem by RFC 9457, as every "no" goes over the wire. */
export const problemDocument = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: 'a code of docs/errors.md' }),
    detail: z.string(),
    whatToDo: z.string(),
    errors: z.array(
      z.looseObject({
        pointer: z.string().meta({ description: 'JSON pointer into the request' }),
        message: z.string(),
        line: z.int().nullable(),
        column: z.int().nullable(),
        hint: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Problem' })

export type ProblemDocument = z.infer<typeof problemDocument>
