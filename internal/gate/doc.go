// Package gate is what all dialects have in common, whatever protocol they are spoken over: where a key is looked for, what
// a route demands, the decision with its rate limit, and who is told of it. A dialect reads a Question from what its proxy
// sent, has a Route answer it, and writes the Answer down in its protocol.
//
// What is common is here so that no dialect can be laxer than another. Nothing that comes in makes it panic or is
// logged as it came but for what the decision log names.
package gate
