// Package emulated is the AWS that Yagura needs, on this machine: real parts (kinesalite, DynamoDB Local, moto) on loopback ports, made into
// the stack that template.yaml declares, and a proxy that lets them fail as AWS does.
//
//	SDK, aws CLI ──► faults ──► kinesalite       Kinesis
//	             ──► faults ──► DynamoDB Local   tables and their streams
//	             ─────────────► moto             SNS, SQS, S3
//
// Nothing listens beyond 127.0.0.1, nothing is kept when it ends, and the parts end with the process that started them, however it ends.
package emulated
