import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generatedFiles } from '../generated.ts'

test('generated files are what npm run generate would write', async () => {
  const files = await generatedFiles()
  assert.ok(files.size >= 2)
  for (const [path, content] of files) {
    assert.equal(
      readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8'),
      content,
      `${path} is stale: npm run generate`,
    )
  }
})
