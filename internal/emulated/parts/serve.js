// Runs kinesalite or dynalite on a free port of 127.0.0.1 (their own commands listen to the whole network): node serve.js NAME OPTIONS-AS-JSON.
// Says "port N"; ends with its input.
const server = require(process.argv[2])(JSON.parse(process.argv[3]))
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port))
process.stdin.resume().on('end', () => process.exit())
