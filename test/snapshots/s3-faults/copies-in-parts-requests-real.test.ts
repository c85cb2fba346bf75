import '../../helpers/use-built.ts'
import t from 'tap'
import { noRealS3, realS3 } from '../../helpers/real-s3.ts'
import { copyFaults } from './check-copies.ts'
import { brokenRequests } from './troubles.ts'

t.test('a real S3 server', { skip: noRealS3 }, async t => { copyFaults(t, realS3, brokenRequests, ['in parts']) })
