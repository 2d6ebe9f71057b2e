// aedes, a broker that is not ours: node aedes.js PLAIN_PORT TLS_PORT CERTIFICATE KEY
const fs = require("fs");
const [plainPort, tlsPort, certificate, key] = process.argv.slice(2);

async function main() {
  const { Aedes } = require("aedes");
  const broker = await Aedes.createBroker({ concurrency: 100000 });
  require("net").createServer(broker.handle).listen(Number(plainPort), "127.0.0.1");
  const secrets = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
  require("tls").createServer(secrets, broker.handle).listen(Number(tlsPort), "127.0.0.1");
}

main();
