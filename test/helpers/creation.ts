import { dirname, join } from 'node:path'
import type { CreateImageInput } from '../../src/engine/create/create-image.ts'

/** What an engine needs to make a pack of a database, beside that. */
export function creationOf (path: string, input: Partial<CreateImageInput> = {}): CreateImageInput {
  return {
    source: { path, lockTimeoutMs: 1000 },
    packFile: join(dirname(path), 'data.zst'),
    temporaryFile: join(dirname(path), 'temporary.db'),
    packId: '01234567-89ab-4cde-8f01-23456789abcd',
    level: 1,
    check: true,
    allowDamaged: false,
    parent: null,
    nextCache: join(dirname(path), 'pages'),
    ...input
  }
}
