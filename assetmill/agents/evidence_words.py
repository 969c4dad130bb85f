"""The words that a recording may keep: plain English of API answers, and what services call their own things.

Whatever is not here is a name as far as anybody knows, and is left out.
"""

from __future__ import annotations

_TEXT = """
blueprint d ll m re s t ve
4o a about above absolute abusepenalty accept accepted accepts access account acknowledged across action
actions active activity add added additional address addresses adds adjust advance after afterwards
again against age agent agents agree ai alive all allow allowed allowlist alone along already also
always among an anchor and annotation annotations announce announced another answer answered answering
answers any anybody anything aoai aoaicodeofconduct apart api apim appears append application applied
approval approve are arguments array as asc ascending asgi ask asked asking asks assetmill assigned
assignment assistant assistants async asynchronous at attachment attack attempt attribute attributes
audience authenticate authentication authorization auto average avif awaiting away azsdk azure azureai
back background bad base base64 batch batches be bearer became because becomes been before begin begins
begun behavior behind being below beside besides best between blob blobs block blocked blocklists blue
bmp bodies body boolean both boundary bounds br break breaks brings browser browsers builds bundle but
by bytes c2pa ca cache cached calculating call called caller callers calling calls came can cancel
cancelled cannot capabilities capacity capture card carried carries carry case categories cert
certificate cfile challenge change changes character characters charge charged charges charset chart
chat check checking checks choice choose chooses chunk chunked chunking chunks ci circle citation
citations cited click client clients close closed closes cntr code codex collect color columns com come
comes command comments commit compact compaction compare comparison comparisons completed completes
completion complexity compression computer concise configs configuration configured conflict connection
connections connector contact container containers content context continuation contract control conv
conversation conversations copy cost costs could count counted counts coverage cpp create created
credentials css csv cu current currently cursor custom damage data database dataframe datazone date
dated day days de decide decides decimal deep deeply default defaults definition definitions deflate
delay delete deleted deletes deleting delta demand denied deployment deployments deprecated deprecations
desc descending description detail detailed details detected developer dialect dict did difference
differences differs digit digits dir directory disable disabled disconnect display disposition do doc
document documentation documented documents docx does doesn doing done down download draft draw drawing
drawn drives drop dropped due during each earlier early echo echoes edit editing edits effort either
element else elsewhere emptied empty emulated emulator enable enabled encoding encrypted end ended
ending endpoint ends engine english enough entity entra entries entry envelope environment error errors
escapes estimate evals event events ever every everything exactly exceeded exceeds except exchange
exchanges excluded exclusive execution exist exists exit expected experiencing expire expired expires
expiries expiry export extension extensions external extra extract fail failed failing false far fault
faults fd fe feature features fetches few fidelity field fields figure file filename files fill fills
filter filtered filters final find finding finds fine fingerprint finished first fit five fixed flare
flavour flavours flex folder follow followed followers following for forbidden foreground foreign forget
form format forwards found foundry four frame frames framework free frequency fresh from front full
function further garbage gateway gathers gave gen generate generated generating generation generations
get gif give given gives global go goes going gone good gore got gpt grants group gt gte guid gzip ha
had happen happened hard harm has hate have he head header headers health heic height help here hex
hidden high higher hint history hold holds host hosted hour hours how html http https hyphens i id
identifier identifiers identity idle idleness ids if ig ignore image imagegen images immediate implement
import imported in include included includes incomplete increase index indexed indexes indexing indirect
info initialise initialize initialized inline innererror input inputs insert inside instance instead
instructions integer integration interest internal interpreter interpreting into invalid is iso
isolation issue issued issuer it item items its itself jailbreak java join joined jpeg jpg js json jsonl
jsonrpc just keep keepalive keeps key keys kind kinds know known knows label lacks large larger last
latency later latest layer layout learn leaves left length let lets letter letters library like limit
limited limits line lines link list listed listen listener listing listings lists live load local
localhost location lock locked log logprobs logs lone long longer longest look looked looks loop low
lower lt luna made main make makes making malformed managed managedidentitycredential management many
mapping mark marked marker mask match material math max maximum may mb mcp md means measures medium meet
meets memory merge message messages meta metadata method methods microsoft middle mimetype min mini
minimal minute minutes missing mode model models moderation modify module moment month more most mounted
mnt move moved mp4 ms msg much multi multipart must mutually name names naming nano needed needs network
never new newer newest next no none normal nosniff not note notebooks notes nothing notifications now
null num number numbers numeric obfuscation object objects octet of off offset offsets often ok omni on
once one ones only op opaque open openai opens operating operation operations opt options or
orchestrating order origin original other others otherwise our out outlive outlives output outputs over
overlap overloaded own pace package page pages pairs parallel param parameter parameters params parent
parse part partial partition parts passage passages passes patch patches path paths pattern payload pdf
peak penalty pending per percentage perform permission persisted php picture pictures pinned pixel place
placeholder placeholders plain plan planned please plural plus png policy poll port positive possessive
post pptx pragma prefix presence preview previous price prices pricing principal priority private pro
probe probing problem process processed processing programs progress project projects prompt properties
property protected protocol protocols provide provided provisioned proxy public published publisher
purpose pushed put puts py quality queries query queued quota quotaincrease quotas raises ran random
ranker ranking rate ratelimit rates rather ratio reach reached read readers reading reads ready real
really reason reasoning reasons received recorded recording recordings redirect reduce reduced reference
referenced refusal refusals refuse refused refuses region regional rejected remaining remapping remember
remembers remove removes renewalperiod repeating repeats replace replaced replaces replay replayed
replaying replays reply report reports reproduced request requested requests require required requires
reset resolution resolved resource resp response responses rest restart restarted rests result results
resumes retained retention retired retrieval retrieve retrieved retry return returns revalidate revised
rewrite rewrites rfc right role room routes rpc rsv rule run runner running runs s0 safe safety said
same sample samples sandbox save saved say says scale schema schemes scope scopes score screenshot
script sdk search searched searches searching second seconds security see select selection selector self
semantic send sends sent sentence seq sequence serve served server servers serves service session set
setting settings settled several severity sexual shape shapes share shield should show shown shows side
signals since site size skills skip slow small so some something soonest source sources spaces specified
spell spilled square ssl stage stand standard start started starting starts state static status stay
stays step still stop stopped stops store stored stores strategy stream streamable streamed streaming
strict string strings structured subdomains succeed such summary sunburst support supported surface
surrogates svg sync synchronous system table take taken takes temperature templates temporarily terra
test tests tex text texts than that the their them then there these they this those thought thread
threads threshold through ticket tier ties tiff time timed timeout times title tls to today together
token tokens told toml too tool toolbox tools top total trace traceback transfer transparent transport
transportation treat triggering true truncated truncation try turbo turn two txt type types unauthorized
unavailable under unix unknown unless unmodified unprocessable unreachable unreadable unsafe unsupported
until unusual up update upload uploaded uploads upstream uri url urls us usage usd use used user users
uses utf utf8 v1 v2 valid value values variables vary vector vendor verbosity verdict verdicts version
versions violate violence visible vision visit voice wait waited waiting wants was way wb we web webp
week were what whatever when where whether which while white who whoever whole whose why width will
window wire with within without word work worked workflow works would write writes writing written wrong
xhigh xlsx xml yaml yet yield your zip
"""

WORDS = frozenset(_TEXT.split())
