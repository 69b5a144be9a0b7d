import com.lesfurets.jenkins.unit.BasePipelineTest
import groovy.json.JsonOutput

/** Runs a Jenkinsfile without a server and prints the steps it took: FILE, the command that fails (or -), NAME=VALUE... */
class Run extends BasePipelineTest {
    static void main(String[] words) {
        new Run().take(words[0], words[1], words.drop(2).collectEntries { it.split('=', 2).toList() })
    }

    void take(String file, String failing, Map environment) {
        super.setUp()
        helper.registerAllowedMethod('sh', [String]) { if (it == failing) { throw new Exception("exit code 3: $it") } }
        helper.registerAllowedMethod('junit', [Map], null)
        helper.registerAllowedMethod('timeout', [Map, Closure]) { limits, body -> body() }
        helper.registerAllowedMethod('timestamps', [Closure]) { body -> body() }
        helper.registerAllowedMethod('checkout', [Object], null)
        helper.registerAllowedMethod('archiveArtifacts', [Map], null)
        helper.registerAllowedMethod('withEnv', [List, Closure]) { set, body -> body() }
        helper.registerAllowedMethod('error', [String]) { throw new Exception(it) }
        helper.registerAllowedMethod('input', [Map]) { if (failing == 'input') { throw new Exception('aborted') } }
        binding.setVariable('scm', 'the repository')
        binding.setVariable('env', environment)
        binding.setVariable('params', environment)
        def failed = null
        try {
            runScript(file)
        } catch (Exception error) {
            failed = error.message
        }
        def steps = helper.callStack.collect { [it.methodName, it.args.findAll { !(it instanceof Closure) }*.toString()] }
        println JsonOutput.toJson([steps: steps, failed: failed])
    }
}
