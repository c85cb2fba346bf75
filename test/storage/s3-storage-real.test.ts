import t from 'tap'
import { S3Storage } from '../../src/index.ts'
import { noRealS3, realS3 } from '../helpers/real-s3.ts'
import { storageConformance } from './storage-conformance.ts'

t.test('a real S3 server', { skip: noRealS3 }, async t => {
  storageConformance(t, 'a real S3 server', async () => new S3Storage(await realS3()))
})
