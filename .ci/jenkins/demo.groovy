// The demo from nothing to its certificate, which is kept, and gone again. Called by the job `demo`.
node('primetime') {
    timestamps {
        checkout scm
        withEnv(["PRIMETIME_HOME=${env.WORKSPACE}/home"]) {
            try {
                stage('demo') {
                    timeout(time: 30, unit: 'MINUTES') {
                        sh 'bin/primetime demo --no-stage --json > demo.json'
                    }
                }
            } finally {
                stage('down') {
                    sh 'bin/primetime down --yes'
                }
                // Not all of the home: it has keys.
                archiveArtifacts allowEmptyArchive: true, artifacts: 'demo.json,home/runs/**/certificate.*'
            }
        }
    }
}
