// Every night: each role on each distribution that is proved, then all that takes long. Called by the job `nightly`.
node('primetime') {
    timestamps {
        checkout scm
        try {
            stage('matrix') {
                timeout(time: 60, unit: 'MINUTES') {
                    sh 'bin/primetime validate --on bookworm,trixie --junit reports/validate.xml'
                }
            }
            stage('all') {
                timeout(time: 12, unit: 'HOURS') {
                    sh '.ci/run --all --junit reports'
                }
            }
        } finally {
            junit allowEmptyResults: true, testResults: 'reports/*.xml'
        }
    }
}
