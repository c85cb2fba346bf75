import t from 'tap'
import { noRealS3, realS3 } from '../helpers/real-s3.ts'
import { s3Faults } from './s3-fault-conformance.ts'

t.test('a real S3 server', { skip: noRealS3 }, async t => { s3Faults(t, realS3) })
