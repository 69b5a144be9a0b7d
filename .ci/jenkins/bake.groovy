// The image that hosts begin as, with what roles install, as the cache has it after a demo: for sites without a network
// (docs/offline.md). Called by the job `bake`.
node('primetime') {
    timestamps {
        checkout scm
        withEnv(["PRIMETIME_CACHE=${env.WORKSPACE}/cache", "PRIMETIME_HOME=${env.WORKSPACE}/home"]) {
            stage('fill') {
                timeout(time: 30, unit: 'MINUTES') {
                    sh 'bin/primetime demo'
                    sh 'bin/primetime down --yes'
                }
            }
            stage('pack') {
                sh 'tar --numeric-owner --xattrs -czf primetime-cache.tar.gz cache'
                sh 'sha256sum primetime-cache.tar.gz > primetime-cache.tar.gz.sha256'
            }
            archiveArtifacts artifacts: 'primetime-cache.tar.gz,primetime-cache.tar.gz.sha256'
        }
    }
}
