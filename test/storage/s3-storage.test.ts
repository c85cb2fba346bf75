import { randomUUID } from 'node:crypto'
import t from 'tap'
import { S3Storage } from '../../src/index.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { storageConformance } from './storage-conformance.ts'

const emulator = await startS3Emulator(t)
storageConformance(t, 'an emulator of S3', () => new S3Storage({ ...emulator, prefix: randomUUID() }))
