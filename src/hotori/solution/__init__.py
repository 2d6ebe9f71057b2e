"""What a developer makes: a folder of modules and a deployment template; checked, built, pushed, deployed."""
