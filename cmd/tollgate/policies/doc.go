// Package policies reads the file of --forward-auth-policies: what is asked of the clients of
// a proxy, under names that the proxy says.
//
//	policies:
//	  orders:
//	    rootKeyFile: /run/secrets/tollgate-root-key   # or rootKey: SECRET
//	    apiId: api_…                                  # or "*"
//	    permissions: orders.read AND orders.write
//	    cost: 1
//	    limits:
//	      - name: requests
//	        cost: 2
//	    tags: [gateway=edge]
//	    key: [bearer, {header: X-API-Key}, {cookie: session}, {query: api_key}]
//	    profile: nginx
//	    identity: full
//
// apiId and one of rootKey and rootKeyFile are required. A name consists of letters, digits,
// ".", "_" and "-". A member that is not known is refused: a typo must not let everybody
// through. No error quotes a value of the file.
package policies
